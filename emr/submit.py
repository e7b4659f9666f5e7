"""Send the request of a target to AWS: once, however often it is asked for."""

import argparse
import json

from emr import account, aws, plan, render
from emr.aws import Failed
from emr.plan import Plan
from emr.runs import PLATFORMS, Platform, Run
from emr.targets import TARGETS, Target
from emr.tokens import tokened
from jobs.settings import Refused

LIVING = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]  # states of a cluster


def add_flags(parser: argparse.ArgumentParser) -> None:
    render.add_target(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the request, send nothing")


def run(asked: argparse.Namespace) -> int:
    target = TARGETS[asked.target]
    planned, request = ready(asked, target)
    if asked.dry_run:
        print(json.dumps(request, indent=2))
        return 0
    with aws.doing(f"submitting {asked.target}"):
        SENDERS[asked.target](target, planned, request)
    return 0


def ready(asked: argparse.Namespace, target: Target) -> tuple[Plan, dict]:
    """The plan and its request, with nothing in it that stands in for what is missing."""
    planned = plan.made(asked, target.platform)
    request = target.made(planned)
    if planned.account.missing:
        names = [f"--{name} or {account.variable(name)}" for name in planned.account.missing]
        raise Refused("submit", f"{', '.join(names)} is missing")
    return planned, request


def client_of(target: Target, planned: Plan):
    return aws.client(target.service, planned.account.get("region"))


def job(target: Target, planned: Plan, request: dict) -> None:
    """A run of the job, unless it runs already. Two at once would take the table from each other."""
    name = next(name for name, row in TARGETS.items() if row is target)
    platform, client = PLATFORMS[name], client_of(target, planned)
    found = list(platform.of(client, planned.account, planned.name))
    if running := [run for run in found if run.active]:
        last = platform.details(client, planned.account, running[0].id)
        if len(running) > 1 or not same(last, platform, request):
            ids = ", ".join(run.id for run in running)
            raise Failed(f"{ids} is running already, with other flags or files: `upgrade` or `stop` it")
        say(planned, running[0], "runs already")
        return
    start(target, planned, request, found)


def same(run: Run, platform: Platform, request: dict) -> bool:
    """Whether the run does what is asked for; of a template that isn't known, and is taken for it."""
    wanted = platform.sent(request)
    return wanted is None or run.sent == wanted


def start(target: Target, planned: Plan, request: dict, before: list[Run]) -> None:
    """The job is started: once, even if AWS's answer is lost and the same is asked again."""
    client = client_of(target, planned)
    if "clientToken" in request:
        bare = {key: value for key, value in request.items() if key != "clientToken"}
        request = tokened(bare, after=before[0].id if before else "")
    answer = aws.call(client, target.operation, request)
    platform = next(PLATFORMS[name] for name, row in TARGETS.items() if row is target)
    found = Run(platform.started(answer), "SUBMITTED", "")
    say(planned, found, "submitted")
    with aws.doing("asking where its logs will be"):
        print(f"logs: {platform.place(client, planned.account, found)}")


def say(planned: Plan, run: Run, what: str) -> None:
    print(f"{run.id} {what}: {planned.name}")


def cluster(target: Target, planned: Plan, request: dict) -> None:
    """RunJobFlow knows no token: a cluster of the same name that lives is taken for this one."""
    client = client_of(target, planned)
    pages = client.get_paginator("list_clusters").paginate(ClusterStates=LIVING)
    for found in (found for page in pages for found in page["Clusters"] if found["Name"] == planned.name):
        print(f"{found['Id']} is there already: {planned.name}")
        return
    made = aws.call(client, target.operation, request)["JobFlowId"]
    print(f"{made} submitted: {planned.name}\nlogs: {request['LogUri']}{made}/")


def made_once(target: Target, planned: Plan, request: dict) -> None:
    """What has a client token and isn't a run: AWS itself sees that it is the same."""
    answer = aws.call(client_of(target, planned), target.operation, request)
    print(f"{answer.get('applicationId') or answer['id']} made: {planned.name}")


def schedule(target: Target, planned: Plan, request: dict) -> None:
    """The schedule is there, with this request; one that is there already is changed."""
    client = client_of(target, planned)
    try:
        aws.call(client, target.operation, request)
        print(f"{planned.name} made: {request['ScheduleExpression']}")
    except client.exceptions.ConflictException:
        aws.call(client, "UpdateSchedule", request)
        print(f"{planned.name} changed: {request['ScheduleExpression']}")


def lifecycle(target: Target, planned: Plan, request: dict) -> None:
    """The bucket has these rules; those of others stay: AWS replaces all that there are."""
    client, bucket = client_of(target, planned), request["Bucket"]
    ours = request["LifecycleConfiguration"]["Rules"]
    try:
        there = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    except aws.ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchLifecycleConfiguration":
            raise
        there = []
    kept = [rule for rule in there if rule.get("ID") not in {rule["ID"] for rule in ours}]
    aws.call(client, target.operation, {"Bucket": bucket, "LifecycleConfiguration": {"Rules": kept + ours}})
    print(f"{bucket}: {len(ours)} rules of {planned.name}, {len(kept)} others kept")


SENDERS = {
    **dict.fromkeys(PLATFORMS, job),
    "ec2-cluster": cluster,
    "eks-template": made_once,
    "serverless-application": made_once,
    "serverless-schedule": schedule,
    "bucket-lifecycle": lifecycle,
}
