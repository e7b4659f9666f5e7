"""EMR on EC2: a step that runs the job on a cluster, and a cluster that has it as its first step. Pure functions."""

from emr import spark
from emr.plan import Plan


def step(plan: Plan) -> dict:
    """The request of AddJobFlowSteps."""
    return {"JobFlowId": plan.account["cluster-id"], "Steps": [_step(plan, "CONTINUE")]}


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
