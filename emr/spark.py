"""Spark's settings for a job that runs for months: what all platforms have, and what each adds."""

import shlex

from emr.plan import Plan
from jobs import LIBRARIES

EVERYWHERE = {
    # A second copy of a task costs a second read of Kafka, and writes what the batch's check then throws away.
    "spark.speculation": "false",
    # EMR turns this on; it knows nothing of micro-batches, and drops executors between two of them.
    "spark.dynamicAllocation.enabled": "false",
    # A node that goes away takes tasks with it; that is no reason to end the query.
    "spark.task.maxFailures": "8",
    # Without these two the failures of a month add up until the application ends.
    "spark.executor.maxNumFailures": "16",
    "spark.executor.failuresValidityInterval": "1h",
    "spark.eventLog.rolling.enabled": "true",
    "spark.eventLog.rolling.maxFileSize": "64m",
}
ATTEMPTS = "5"  # of the driver, in an hour
PLATFORM = {
    "ec2": {
        "spark.yarn.maxAppAttempts": ATTEMPTS,
        "spark.yarn.am.attemptFailuresValidityInterval": "1h",
        # The step lasts as long as the application, and its state tells how that ended.
        "spark.yarn.submit.waitAppCompletion": "true",
    },
    "eks": {
        "spark.eventLog.rotation.enabled": "true",
        "spark.eventLog.rotation.interval": "300",
        "spark.eventLog.rotation.minFileSize": "1m",
        "spark.eventLog.rotation.maxFilesToRetain": "4",
    },
    "serverless": {},
}
# Where a platform is told the Python of driver and executors.
PYTHON = {
    "ec2": ("spark.pyspark.python", "spark.yarn.appMasterEnv.PYSPARK_PYTHON", "spark.executorEnv.PYSPARK_PYTHON"),
    "eks": ("spark.pyspark.python", "spark.kubernetes.driverEnv.PYSPARK_PYTHON", "spark.executorEnv.PYSPARK_PYTHON"),
    "serverless": (
        "spark.emr-serverless.driverEnv.PYSPARK_PYTHON",
        "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON",
        "spark.executorEnv.PYSPARK_PYTHON",
    ),
}
# Where the region goes: boto3 reads the one variable and finds no region without it, the IAM library reads the other.
REGION = {
    "ec2": (
        "spark.yarn.appMasterEnv.AWS_DEFAULT_REGION",
        "spark.yarn.appMasterEnv.AWS_REGION",
        "spark.executorEnv.AWS_REGION",
    ),
    "eks": ("spark.kubernetes.driverEnv.AWS_DEFAULT_REGION",),
    "serverless": ("spark.emr-serverless.driverEnv.AWS_DEFAULT_REGION",),
}


def settings(plan: Plan, platform: str) -> dict[str, str]:
    """Every setting, those of the command line last: they win."""
    files = [*plan.files, *([plan.artefacts.logging] if platform == "ec2" else [])]
    size = plan.size
    found = {
        "spark.jars": ",".join(plan.artefacts.jars),
        "spark.submit.pyFiles": plan.artefacts.code,
        "spark.archives": f"{plan.artefacts.libraries}#{LIBRARIES}",
        **({"spark.files": ",".join(files)} if files else {}),
        "spark.driver.cores": str(size.driver_cores),
        "spark.driver.memory": size.driver_memory,
        "spark.executor.instances": str(size.executors),
        "spark.executor.cores": str(size.executor_cores),
        "spark.executor.memory": size.executor_memory,
        **EVERYWHERE,
        **PLATFORM[platform],
        **own(plan, platform),
        **dict.fromkeys(REGION[platform], plan.account["region"]),
    }
    if plan.release.interpreter:
        found |= dict.fromkeys(PYTHON[platform], plan.release.interpreter)
    return found | dict(plan.conf)


def own(plan: Plan, platform: str) -> dict[str, str]:
    """What depends on this job and on the platform."""
    if platform == "ec2":
        return {"spark.yarn.tags": plan.name}  # how `stop` finds the application
    if platform == "eks":
        return {"spark.kubernetes.driver.podTemplateFile": plan.artefacts.pod}
    return {}


def options(settings: dict[str, str]) -> list[str]:
    """As words of a command line."""
    return [word for key, value in settings.items() for word in ("--conf", f"{key}={value}")]


def overrides(settings: dict[str, str]) -> tuple[str, dict[str, str]]:
    """As EKS and Serverless take them: a command line, and spark-defaults for what a shell would want quoted.

    AWS doesn't say how it splits the line, and takes no more than 1,024 characters for a value of spark-defaults.
    """
    quoted = {key: value for key, value in settings.items() if shlex.quote(value) != value}
    return shlex.join(options({key: value for key, value in settings.items() if key not in quoted})), quoted
