"""A request checked before it is sent: against AWS's service model, and against what AWS says only in prose.

A rule is a function from a request, which has the model's form, to the lines of what is wrong with it. The sources are
AWS's guides of EMR on EC2, on EKS and Serverless, and of EventBridge Scheduler.
"""

import json
import re
from collections.abc import Iterator

from emr import model

STEP_CHARACTERS = 10_240
ROTATION = {"K": 2**10, "M": 2**20, "G": 2**30}
SERVERLESS_RUN = re.compile(r"arn:aws[a-z-]*:scheduler:::aws-sdk:emrserverless:startJobRun")  # a "universal target"
EXPRESSION = re.compile(
    r"rate\((1 (minute|hour|day)|(?!0|1 )\d+ (minute|hour|day)s)\)"
    r"|cron\([\w*?,/#-]+( [\w*?,/#-]+){5}\)"
    r"|at\(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\)"
)
# What EventBridge Scheduler puts in the place of its attributes, by an example.
ATTRIBUTES = {
    "<aws.scheduler.execution-id>": "d32c5d91-3a3e-4d0e-8e1f-5a2a7d4a6c1b",
    "<aws.scheduler.scheduled-time>": "2026-11-01T00:00:00Z",
    "<aws.scheduler.attempt-number>": "1",
}


def faults(service: str, operation: str, request: dict) -> list[str]:
    """Everything that is wrong with the request, a line each; nothing when AWS would take it."""
    found = list(model.wrong(model.shape(service, operation), request, ""))
    if not found:  # the rules would stumble over a request of another form
        found = [line for rule in RULES.get((service, operation), ()) for line in rule(request)]
    return found


def within(name: str, value: int | None, least: int, most: int) -> Iterator[str]:
    if value is not None and not least <= value <= most:
        yield f"{name}: {value:,} is not between {least:,} and {most:,}"


def steps(request: dict) -> Iterator[str]:
    found = request.get("Steps", [])
    if len(found) > 256:
        yield f"Steps: {len(found)}, and a cluster holds no more than 256"
    for number, step in enumerate(found):
        jar = step["HadoopJarStep"]
        texts = [jar["Jar"], jar.get("MainClass", ""), *jar.get("Args", [])]
        texts += [text for pair in jar.get("Properties", []) for text in pair.values()]
        if (size := sum(map(len, texts))) > STEP_CHARACTERS:
            yield f"Steps[{number}]: {size:,} characters, and a step takes no more than {STEP_CHARACTERS:,}"


def only_continue(request: dict) -> Iterator[str]:
    """Where a cluster runs several steps at once. Of the cluster of AddJobFlowSteps that isn't known: so it may."""
    if request.get("StepConcurrencyLevel", 1 if "Instances" in request else 2) > 1:
        for number, step in enumerate(request.get("Steps", [])):
            if step.get("ActionOnFailure") != "CONTINUE":
                yield f"Steps[{number}].ActionOnFailure: with steps at once AWS takes CONTINUE only"


def cluster(request: dict) -> Iterator[str]:
    yield from within("StepConcurrencyLevel", request.get("StepConcurrencyLevel"), 1, 256)
    idle = request.get("AutoTerminationPolicy", {}).get("IdleTimeout")
    yield from within("AutoTerminationPolicy.IdleTimeout", idle, 60, 604_800)
    roles = [group["InstanceRole"] for group in request["Instances"].get("InstanceGroups", [])]
    if roles and roles.count("MASTER") != 1:
        yield "Instances.InstanceGroups: there must be one MASTER"
    if "Spark" not in [application.get("Name") for application in request.get("Applications", [])]:
        yield "Applications: Spark is missing, and spark-submit with it"
    limits = request.get("ManagedScalingPolicy", {}).get("ComputeLimits", {})
    most = limits.get("MaximumCapacityUnits", 0)
    for name, value in limits.items():
        if name not in ("UnitType", "MaximumCapacityUnits") and value > most:
            yield f"ManagedScalingPolicy.ComputeLimits.{name}: {value} is more than MaximumCapacityUnits, {most}"


def attempts(request: dict) -> Iterator[str]:
    """YARN takes the smaller of its own number of attempts, by default 2, and the application's."""
    sites = [one for one in request.get("Configurations", []) if one.get("Classification") == "yarn-site"]
    most = int(next(iter(sites), {}).get("Properties", {}).get("yarn.resourcemanager.am.max-attempts", 2))
    for number, step in enumerate(request.get("Steps", [])):
        for word in step["HadoopJarStep"].get("Args", []):
            wanted = re.fullmatch(r"spark\.yarn\.maxAppAttempts=(\d+)", word)
            if wanted and int(wanted[1]) > most:
                yield f"Steps[{number}]: {word}, and yarn-site allows {most} attempts"


def on_eks(request: dict) -> Iterator[str]:
    own = [name for name in ("executionRoleArn", "releaseLabel", "jobDriver") if name in request]
    if "jobTemplateId" in request and own:
        yield f"{own[0]}: the template of jobTemplateId has it"
    if "jobTemplateId" not in request and len(own) < 3:
        yield "executionRoleArn, releaseLabel and jobDriver are needed where there is no jobTemplateId"
    retries = request.get("retryPolicyConfiguration", {}).get("maxAttempts")
    yield from within("retryPolicyConfiguration.maxAttempts", retries, 1, 2**31 - 1)


def rotation(request: dict) -> Iterator[str]:
    monitoring = request.get("configurationOverrides", {}).get("monitoringConfiguration", {})
    if rotated := monitoring.get("containerLogRotationConfiguration"):
        if "s3MonitoringConfiguration" not in monitoring:
            yield "containerLogRotationConfiguration: only with s3MonitoringConfiguration"
        number, unit = re.match(r"([\d.]+)([KMG])", rotated["rotationSize"]).groups()
        if not 2 * 2**10 <= float(number) * ROTATION[unit] <= 2 * 2**30:
            yield f"containerLogRotationConfiguration.rotationSize: {rotated['rotationSize']} is not 2KB to 2GB"


def one_driver(request: dict) -> Iterator[str]:
    driver = request.get("jobTemplateData", request).get("jobDriver")
    if driver is not None and len(driver) != 1:
        yield "jobDriver takes exactly one kind of driver"


def serverless_run(request: dict) -> Iterator[str]:
    retry = request.get("retryPolicy", {})
    mode = request.get("mode", "BATCH")
    minutes = request.get("executionTimeoutMinutes")
    other = {"BATCH": "maxFailedAttemptsPerHour", "STREAMING": "maxAttempts"}[mode]
    if other in retry:
        yield f"retryPolicy.{other}: not with mode {mode}"
    for name, value in retry.items():
        yield from within(f"retryPolicy.{name}", value, 1, 10)
    if mode == "BATCH":
        yield from within("executionTimeoutMinutes", minutes, 1, 10_080)
    elif minutes:
        yield "executionTimeoutMinutes: a stream has no end"


def application(request: dict) -> Iterator[str]:
    queue = request.get("schedulerConfiguration", {})
    yield from within("schedulerConfiguration.maxConcurrentRuns", queue.get("maxConcurrentRuns"), 1, 1_000)
    yield from within("schedulerConfiguration.queueTimeoutMinutes", queue.get("queueTimeoutMinutes"), 15, 720)
    if request["type"].upper() != "SPARK":
        yield f"type: {request['type']} runs no Spark"


def schedule(request: dict) -> Iterator[str]:
    target = request["Target"]
    if not EXPRESSION.fullmatch(request["ScheduleExpression"]):
        yield (
            f"ScheduleExpression: {request['ScheduleExpression']} is not rate(1 hour), cron(0 * * * ? *) with six "
            "fields, or at(2026-11-01T00:00:00)"
        )
    if not SERVERLESS_RUN.fullmatch(target["Arn"]):
        yield f"Target.Arn: {target['Arn']} starts no run of EMR Serverless"
    if target.get("RetryPolicy", {}).get("MaximumRetryAttempts") != 0:
        yield "Target.RetryPolicy.MaximumRetryAttempts: a retry has another execution id, and would be a second run"
    try:
        sent = json.loads(target.get("Input", ""))
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        yield "Target.Input is no JSON object"
    else:
        yield from (f"Target.Input: {line}" for line in started(sent))


def started(sent: dict) -> Iterator[str]:
    """The faults of the run that the schedule starts: its names begin with capitals, and AWS fills in attributes."""
    shape = model.shape("emr-serverless", "StartJobRun")
    if model.recased(shape, sent, model.pascal) != sent:
        yield "the names must be PascalCase"
    text = json.dumps(sent)
    for attribute, example in ATTRIBUTES.items():
        text = text.replace(attribute, example)
    yield from faults("emr-serverless", "StartJobRun", model.recased(shape, json.loads(text), model.camel))


RULES = {
    ("emr", "AddJobFlowSteps"): (steps, only_continue),
    ("emr", "RunJobFlow"): (steps, only_continue, cluster, attempts),
    ("emr-containers", "StartJobRun"): (on_eks, rotation, one_driver),
    ("emr-containers", "CreateJobTemplate"): (one_driver,),
    ("emr-serverless", "StartJobRun"): (serverless_run,),
    ("emr-serverless", "CreateApplication"): (application,),
    ("scheduler", "CreateSchedule"): (schedule,),
}
