"""EMR Serverless: an application, a run of the job in it, and a schedule that starts runs. Pure functions."""

import json
import math
import re

from emr import model, spark
from emr.plan import Plan
from emr.sizes import gigabytes
from emr.tokens import tagged, tokened
from jobs import flags
from jobs.settings import Refused

# Of AWS's guide: the least and the most gigabytes of a worker by its vCPUs, and the steps between.
WORKERS = {1: (2, 8, 1), 2: (4, 16, 1), 4: (8, 30, 1), 8: (16, 60, 4), 16: (32, 120, 8)}
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
    memory = worker("driver", size.driver_cores, size.driver_memory)
    memory += size.executors * worker("executor", size.executor_cores, size.executor_memory)
    return {"cpu": f"{2 * cores} vCPU", "memory": f"{2 * memory} GB"}


def worker(role: str, cores: int, memory: str) -> int:
    """The gigabytes of a worker; raises `Refused` for one that AWS doesn't have."""
    least, most, step = WORKERS.get(cores, (0, 0, 1))
    size = max(math.ceil(gigabytes(memory) / step) * step, least)
    if not most:
        raise Refused(f"--{role}-cores", f"{cores}: a worker has {', '.join(map(str, WORKERS))}")
    if size > most:
        raise Refused(f"--{role}-memory", f"{memory} is {size} GB, and a worker of {cores} vCPU has at most {most}")
    return size


def run(plan: Plan) -> dict:
    """The request of StartJobRun: a stream that is started again by itself, or a drain that ends."""
    capacity(plan)  # refuses a worker that AWS doesn't have
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
        "ScheduleExpression": plan.asked.schedule or "rate(1 hour)",
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
