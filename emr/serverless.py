"""EMR Serverless: an application, a run of the job in it, and a schedule that starts runs. Pure functions."""

import json
import math
import re

from emr import model, spark
from emr.plan import Plan
from emr.tokens import tagged, tokened
from jobs import flags
from jobs.settings import Refused

DRAIN_MINUTES = 60  # a drain that takes longer is ended; the next one goes on where it was


def application(plan: Plan) -> dict:
    """The request of CreateApplication: it costs nothing while no job runs, and runs one at a time."""
    request = {
        "name": plan.name,
        "releaseLabel": plan.label,
        "type": "SPARK",
        "architecture": "ARM64",
        "maximumCapacity": capacity(plan),
        "autoStartConfiguration": {"enabled": True},
        "autoStopConfiguration": {"enabled": True, "idleTimeoutMinutes": 5},
        "networkConfiguration": {
            "subnetIds": plan.account["subnets"].split(","),
            "securityGroupIds": plan.account["security-groups"].split(","),
        },
        # Two runs on one table take it from each other; one that comes too early waits for the one before it.
        "schedulerConfiguration": {"maxConcurrentRuns": 1, "queueTimeoutMinutes": 60},
        "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"{plan.account['log-uri']}/"}},
    }
    return tokened(tagged(request, plan.name))


def capacity(plan: Plan) -> dict:
    """Twice what the job has, for an attempt may start while the workers of the one before still go."""
    size = plan.size
    cores = size.driver_cores + size.executors * size.executor_cores
    memory = gigabytes(size.driver_memory) + size.executors * gigabytes(size.executor_memory)
    return {"cpu": f"{2 * cores} vCPU", "memory": f"{2 * memory} GB"}


def gigabytes(memory: str) -> int:
    """Of a worker whose JVM has `memory`: Spark adds a tenth, at least 384 MiB."""
    mebibytes = int(memory[:-1]) * {"m": 1, "g": 1024}[memory[-1]]
    return math.ceil((mebibytes + max(384, mebibytes / 10)) / 1024)


def run(plan: Plan) -> dict:
    """The request of StartJobRun: a stream that is started again by itself, or a drain that ends."""
    line, defaults = spark.overrides(spark.settings(plan, "serverless"))
    request = {
        "applicationId": plan.account["application-id"],
        "executionRoleArn": plan.account["job-role-arn"],
        "name": plan.name,
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": plan.artefacts.entry,
                "entryPointArguments": list(plan.arguments),
                "sparkSubmitParameters": line,
            }
        },
        "configurationOverrides": {
            "applicationConfiguration": [{"classification": "spark-defaults", "properties": defaults}],
            "monitoringConfiguration": {"s3MonitoringConfiguration": {"logUri": f"{plan.account['log-uri']}/"}},
        },
        **(DRAIN if plan.settings.trigger == flags.AVAILABLE_NOW else STREAM),
    }
    return tokened(tagged(request, plan.name))


DRAIN = {"mode": "BATCH", "retryPolicy": {"maxAttempts": 3}, "executionTimeoutMinutes": DRAIN_MINUTES}
STREAM = {"mode": "STREAMING", "retryPolicy": {"maxFailedAttemptsPerHour": 5}}


def schedule(plan: Plan) -> dict:
    """The request of CreateSchedule: EventBridge Scheduler calls StartJobRun by itself, each time with a new token."""
    if plan.settings.trigger != flags.AVAILABLE_NOW:
        raise Refused("--trigger", "a schedule needs --trigger available-now: any other run never ends")
    started = run(plan) | {"clientToken": "<aws.scheduler.execution-id>"}
    role = plan.account["scheduler-role-arn"]
    shape = model.shape("emr-serverless", "StartJobRun")
    return {
        "Name": plan.name,
        "Description": f"Starts a drain of {plan.settings.table}"[:512],
        "ScheduleExpression": plan.asked.schedule,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": f"{re.match('arn:[a-z-]+', role)[0]}:scheduler:::aws-sdk:emrserverless:startJobRun",
            "RoleArn": role,
            "Input": json.dumps(model.recased(shape, started, model.pascal)),
            # A second try has another execution id and would be another run. The next start makes up for it.
            "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 300},
        },
    }
