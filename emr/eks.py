"""EMR on EKS: a run of the job on a virtual cluster, and a template of such runs. Pure functions."""

from emr import releases, spark
from emr.plan import Plan
from emr.tokens import tagged, tokened
from jobs import flags

# A driver that dies is started again, each time billed as a run; a drain is left to its scheduler after a few.
ATTEMPTS, ATTEMPTS_OF_A_DRAIN = 100, 3
ROTATION = {"rotationSize": "64MB", "maxFilesToKeep": 10}
# The pod that submits lives as long as the driver: Karpenter may not move it either.
SUBMITTER = {
    "classification": "emr-job-submitter",
    "properties": {"jobsubmitter.annotation.karpenter.sh/do-not-disrupt": "true"},
}


def run(plan: Plan) -> dict:
    """The request of StartJobRun; of a template, what a template can't hold."""
    drain = plan.settings.trigger == flags.AVAILABLE_NOW
    request = {
        "virtualClusterId": plan.account["virtual-cluster-id"],
        "name": plan.name,
        "retryPolicyConfiguration": {"maxAttempts": ATTEMPTS_OF_A_DRAIN if drain else ATTEMPTS},
    }
    if plan.asked.job_template_id:
        return tokened(tagged(request | {"jobTemplateId": plan.asked.job_template_id}, plan.name))
    data = _data(plan)
    data["configurationOverrides"]["monitoringConfiguration"]["containerLogRotationConfiguration"] = ROTATION
    return tokened(tagged(request | data, plan.name))


def template(plan: Plan) -> dict:
    """The request of CreateJobTemplate: it takes neither retries nor log rotation."""
    return tokened(tagged({"name": plan.name, "jobTemplateData": _data(plan)}, plan.name))


def _data(plan: Plan) -> dict:
    line, defaults = spark.overrides(spark.settings(plan, "eks"))
    return {
        "executionRoleArn": plan.account["job-role-arn"],
        "releaseLabel": plan.label if releases.dated(plan.label) else f"{plan.label}-latest",
        "jobDriver": {
            "sparkSubmitJobDriver": {
                "entryPoint": plan.artefacts.entry,
                "entryPointArguments": list(plan.arguments),
                "sparkSubmitParameters": line,
            }
        },
        "configurationOverrides": {
            "applicationConfiguration": [{"classification": "spark-defaults", "properties": defaults}, SUBMITTER],
            "monitoringConfiguration": {
                "persistentAppUI": "ENABLED",
                "s3MonitoringConfiguration": {"logUri": plan.account["log-uri"]},
            },
        },
    }
