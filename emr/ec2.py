"""EMR on EC2: a step that runs the job on a cluster, and a cluster that has it as its first step. Pure functions."""

import math

from emr import spark
from emr.plan import Plan
from emr.sizes import gigabytes
from jobs import flags
from jobs.settings import Refused

INSTANCE_TYPE = "m7g.xlarge"
YARN_GB = {"m7g.xlarge": 12}  # what EMR gives YARN of a node


def step(plan: Plan) -> dict:
    """The request of AddJobFlowSteps."""
    return {"JobFlowId": plan.account["cluster-id"], "Steps": [_step(plan, "CONTINUE")]}


def cluster(plan: Plan) -> dict:
    """The request of RunJobFlow: one primary and one core node, and the job as the first step.

    With `--transient` the cluster ends with the step; else it stays, grows by task nodes, and ends an hour after it.
    """
    asked, account = plan.asked, plan.account
    if asked.transient and plan.settings.trigger != flags.AVAILABLE_NOW:
        raise Refused("--transient", "needs --trigger available-now: any other job never ends, nor would the cluster")
    kind = asked.instance_type or INSTANCE_TYPE
    groups = account["security-groups"].split(",")
    request = {
        "Name": plan.name,
        "LogUri": f"{account['log-uri']}/",
        "ReleaseLabel": plan.label,
        "Applications": [{"Name": "Spark"}],
        "JobFlowRole": account["instance-profile"],
        "ServiceRole": account["service-role"],
        "Instances": {
            "InstanceGroups": [_group(role, kind) for role in ("MASTER", "CORE")],
            "Ec2SubnetId": account["subnets"].split(",")[0],  # one network interface can't be in two
            "AdditionalMasterSecurityGroups": groups,
            "AdditionalSlaveSecurityGroups": groups,
            "KeepJobFlowAliveWhenNoSteps": not asked.transient,
            "TerminationProtected": not asked.transient,
            "UnhealthyNodeReplacement": True,
        },
        "Steps": [_step(plan, "TERMINATE_CLUSTER" if asked.transient else "CONTINUE")],
        "StepConcurrencyLevel": 1,
        "Configurations": CONFIGURATIONS,
        "ManagedScalingPolicy": {"ComputeLimits": _limits(nodes(plan, kind))},
        "ScaleDownBehavior": "TERMINATE_AT_TASK_COMPLETION",
        "Tags": [{"Key": "floodmark", "Value": plan.name}],
    }
    return request if asked.transient else request | {"AutoTerminationPolicy": {"IdleTimeout": 3600}}


def nodes(plan: Plan, instance_type: str) -> int:
    """The most nodes beside the primary: those that the executors fill, and one for the driver."""
    size, room = plan.size, YARN_GB.get(instance_type)
    needs = max(gigabytes(size.driver_memory), gigabytes(size.executor_memory))
    if room and needs > room:
        raise Refused("--instance-type", f"YARN has {room} GB of {instance_type}, and a container of this job {needs}")
    needed = 1 + math.ceil(size.executors / ((room or 0) // gigabytes(size.executor_memory) or 1))
    asked = plan.asked.nodes or needed
    if room and asked < needed:
        raise Refused(
            "--nodes", f"{asked} {instance_type} don't hold the driver and {size.executors} executors: {needed} do"
        )
    return asked


# The driver runs on a core node, which scaling leaves in peace and which is never a spot instance.
CONFIGURATIONS = [
    {
        "Classification": "yarn-site",
        "Properties": {
            "yarn.resourcemanager.am.max-attempts": spark.ATTEMPTS,
            "yarn.node-labels.enabled": "true",
            "yarn.node-labels.am.default-node-label-expression": "CORE",
            # A streaming job's containers never end by themselves: a node that goes waits for them no longer than this.
            "yarn.resourcemanager.nodemanager-graceful-decommission-timeout-secs": "300",
        },
    },
    {
        "Classification": "spark-defaults",
        "Properties": {
            "spark.history.fs.cleaner.enabled": "true",
            "spark.history.fs.cleaner.maxAge": "7d",
            "spark.history.fs.eventLog.rolling.maxFilesToRetain": "10",
        },
    },
]


def _group(role: str, instance_type: str) -> dict:
    return {
        "Name": role.lower(),
        "InstanceRole": role,
        "Market": "ON_DEMAND",
        "InstanceType": instance_type,
        "InstanceCount": 1,
    }


def _limits(most: int) -> dict:
    """Between one node beside the primary and `most`; all beyond the first core node are task nodes."""
    return {
        "UnitType": "Instances",
        "MinimumCapacityUnits": 1,
        "MaximumCapacityUnits": most,
        "MaximumOnDemandCapacityUnits": most,
        "MaximumCoreCapacityUnits": 1,
    }


def _step(plan: Plan, on_failure: str) -> dict:
    """spark-submit in cluster mode, as a list of words: no shell comes near them."""
    return {
        "Name": plan.name,
        "ActionOnFailure": on_failure,
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": command(plan)},
    }


def command(plan: Plan) -> list[str]:
    return [
        *("spark-submit", "--master", "yarn", "--deploy-mode", "cluster", "--name", plan.name),
        *spark.options(spark.settings(plan, "ec2")),
        plan.artefacts.entry,
        *plan.arguments,
    ]
