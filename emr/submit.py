"""Send the request of a target to AWS: once, however often it is asked for."""

import argparse
import json
import sys

from emr import account, aws, job, plan, render
from emr.aws import Failed
from emr.job import Job
from emr.plan import Plan
from emr.runs import ENDING, PLATFORMS, RUNNING, WAITING, Run, digest
from emr.targets import TARGETS, Target
from emr.tokens import tokened
from jobs.settings import Refused

UNTOKENED = {"AddJobFlowSteps", "RunJobFlow"}
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


def sender(target: Target, planned: Plan):
    """A client for the target: what AWS has no token for is sent once, whatever becomes of the answer."""
    attempts = 1 if target.operation in UNTOKENED else None
    return aws.client(target.service, planned.account.get("region"), attempts)


def a_run(target: Target, planned: Plan, request: dict) -> None:
    """A run of the job, unless it runs already. Two at once would take the table from each other."""
    found = job.of(planned)
    matching(found, planned)
    runs = found.runs()
    if running := [run for run in runs if run.active]:
        if len(running) > 1 or not same(found, running[0], request):
            ids = ", ".join(run.id for run in running)
            raise Failed(f"{ids} is running already, with other flags or files: `upgrade` or `stop` it")
        say(running[0], "runs already", found)
    else:
        start(target, planned, request, found, runs)


def matching(found: Job, planned: Plan) -> None:
    """Raises `Failed` if a run couldn't have the release that its files are for: on EKS alone each asks for its own."""
    if not found.platform.release:
        return
    with aws.doing("asking for the release"):
        there = found.platform.release(found.client, found.account)
    if there != planned.label:
        raise Failed(f"{found.account[found.platform.needs]} has {there}, not {planned.label}: say its --release")


def same(found: Job, run: Run, request: dict) -> bool:
    """Whether the run does what is asked for; raises `Failed` for one that is about to end."""
    if run.state in ENDING:
        raise Failed(f"{run.id} is being cancelled: ask again when it has ended")
    return found.run(run.id).does == found.platform.does(request)


def start(target: Target, planned: Plan, request: dict, found: Job, before: list[Run]) -> None:
    """The job is started: once, even if AWS's answer is lost and the same is asked again."""
    if left := [run for run in before if run.left]:
        raise Failed(f"{left[0].id} was cancelled, and what it started on YARN may still run: `stop` it")
    found.objects.delete(found.marker)  # one that is left of an earlier `stop` would end this run at once
    if "clientToken" in request:
        bare = {key: value for key, value in request.items() if key != "clientToken"}
        request = tokened(bare, after=before[0].id if before else "")
    answer = aws.call(sender(target, planned), target.operation, request)
    run = Run(found.platform.started(answer), "SUBMITTED")
    say(run, "submitted", found)
    try:
        print(f"logs: {found.logs(run)}")
        others = [one.id for one in found.runs() if one.active and one.id != run.id]
    except (Failed, Refused) as wrong:  # that is no reason to say that the job was not submitted
        print(f"# {wrong}", file=sys.stderr)
        return
    if others:
        raise Failed(f"{', '.join(others)} was started at the same time: `stop` ends both, then submit one")


def say(run: Run, what: str, found: Job) -> None:
    print(f"{run.id} {what}: {found.name}")


def cluster(target: Target, planned: Plan, request: dict) -> None:
    """RunJobFlow knows no token: a cluster of the same name that lives is taken for this one."""
    client = sender(target, planned)
    pages = client.get_paginator("list_clusters").paginate(ClusterStates=LIVING)
    for id in (found["Id"] for page in pages for found in page["Clusters"] if found["Name"] == planned.name):
        steps = PLATFORMS["ec2-step"].of(client, {"cluster-id": id}, planned.name)
        args = request["Steps"][0]["HadoopJarStep"]["Args"]
        if not any(step.state in WAITING | RUNNING and step.does == args for step in steps):
            raise Failed(f"{id} is there already, without this job: `submit ec2-step --cluster-id {id}`, or `upgrade`")
        print(f"{id} is there already: {planned.name}")
        return
    made = aws.call(client, target.operation, request)["JobFlowId"]
    print(f"{made} submitted: {planned.name}\nlogs: {request['LogUri']}{made}/")


def application(target: Target, planned: Plan, request: dict) -> None:
    """AWS forgets a client token some day: an application of the same name is taken for this one."""
    client = sender(target, planned)
    for page in client.get_paginator("list_applications").paginate():
        for found in page["applications"]:
            if found.get("name") == planned.name and found["state"] != "TERMINATED":
                print(f"{found['id']} is there already: {planned.name}")
                return
    print(f"{aws.call(client, target.operation, request)['applicationId']} made: {planned.name}")


def template(target: Target, planned: Plan, request: dict) -> None:
    """A template never changes: each version of the job has one, known by the digest in its tags."""
    client = sender(target, planned)
    for page in client.get_paginator("list_job_templates").paginate():
        for found in page["templates"]:
            if digest(found) == digest(request):
                print(f"{found['id']} is there already: {planned.name}")
                return
    print(f"{aws.call(client, target.operation, request)['id']} made: {planned.name}")


def schedule(target: Target, planned: Plan, request: dict) -> None:
    """The schedule is there, with this request; one that is there already is changed."""
    client = sender(target, planned)
    try:
        aws.call(client, "UpdateSchedule", request)
        print(f"{planned.name} changed: {request['ScheduleExpression']}")
    except client.exceptions.ResourceNotFoundException:
        aws.call(client, target.operation, request)
        print(f"{planned.name} made: {request['ScheduleExpression']}")


def lifecycle(target: Target, planned: Plan, request: dict) -> None:
    """The bucket has these rules; those of others stay: AWS replaces all that there are."""
    client, bucket = sender(target, planned), request["Bucket"]
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
    **dict.fromkeys(PLATFORMS, a_run),
    "ec2-cluster": cluster,
    "eks-template": template,
    "serverless-application": application,
    "serverless-schedule": schedule,
    "bucket-lifecycle": lifecycle,
}
