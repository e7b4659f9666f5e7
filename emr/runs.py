"""The runs of a job on each platform: how they are found and cancelled, and where their logs are. One table.

A client comes in, AWS's answers go out as `Run`: what the verbs need, and no more.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from emr.account import Account, variable
from emr.tokens import REQUEST
from jobs.settings import Refused

# What each state means; together they are all that AWS has of a step, a run on EKS and a run on Serverless.
WAITING = {"PENDING", "SUBMITTED", "SCHEDULED", "QUEUED"}
RUNNING = {"RUNNING"}
ENDING = {"CANCEL_PENDING", "CANCELLING"}
ENDED_WELL = {"COMPLETED", "SUCCESS"}
ENDED_BADLY = {"FAILED", "CANCELLED", "INTERRUPTED"}


class Run(NamedTuple):
    id: str
    state: str
    since: datetime | None = None
    why: str = ""  # AWS's words about the state
    does: str | list | None = None  # to compare with a request: the words of a step, the digest of another's request
    attempt: int | None = None
    begun: bool = True
    left: bool = False  # whether what it started may still be there without it

    @property
    def active(self) -> bool:
        return self.state in WAITING | RUNNING | ENDING

    @property
    def well(self) -> bool:
        return self.active or self.state in ENDED_WELL


class Platform(NamedTuple):
    """`of` gives a job's runs; `place` where a run's logs are, and `driver` what marks those of the driver."""

    needs: str  # what of the account its runs are in

    of: Callable[..., Iterator[Run]]
    details: Callable[..., Run]
    started: Callable[[dict], str]  # the id in the answer to a start
    does: Callable[[dict], str | list]  # of a request, what `Run.does` is of a run
    cancel: Callable[..., None]
    place: Callable[..., str]
    driver: re.Pattern
    release: Callable[..., str] | None = None  # that what the runs are in has, where a run can't ask for one
    kill: Callable[..., str] | None = None  # starts what ends the application that a cancelled run leaves; its id


def steps(client, account: Account, name: str) -> Iterator[Run]:
    """The job's steps. AWS lists the newest first, so that a step that killed an application comes before its step."""
    pages = client.get_paginator("list_steps").paginate(ClusterId=account["cluster-id"])
    killed = False
    for step in (step for page in pages for step in page["Steps"]):
        run = step_run(step)
        if step["Name"] == killing(name)["Name"]:
            killed = killed or run.state in ENDED_WELL
        if step["Name"] == name:
            # (INTERRUPTED is a step whose cluster ended, and YARN with it.)
            yield run._replace(left=run.state == "CANCELLED" and run.begun and not killed)


def step_run(step: dict) -> Run:
    status = step["Status"]
    why = status.get("FailureDetails") or status.get("StateChangeReason") or {}
    times = status.get("Timeline", {})
    return Run(
        step["Id"],
        status["State"],
        times.get("CreationDateTime"),
        why.get("Message", ""),
        does=step["Config"].get("Args"),
        begun="StartDateTime" in times,
    )


def step(client, account: Account, id: str) -> Run:
    return step_run(client.describe_step(ClusterId=account["cluster-id"], StepId=id)["Step"])


def cancel_step(client, account: Account, run: Run, grace: int) -> None:
    """The step ends; what it has started on YARN goes on."""
    client.cancel_steps(ClusterId=account["cluster-id"], StepIds=[run.id], StepCancellationOption="SEND_INTERRUPT")


def kill_application(client, account: Account, name: str) -> str:
    return client.add_job_flow_steps(JobFlowId=account["cluster-id"], Steps=[killing(name)])["StepIds"][0]


def killing(name: str) -> dict:
    """A step that kills every application with the job's tag, and succeeds when there is none."""
    states = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
    script = (
        f"set -o pipefail; yarn application -list -appTags {name} -appStates {states} "
        "| awk '/^application_/ {print $1}' | xargs -r -n 1 yarn application -kill"
    )
    args = ["bash", "-c", script]
    return {
        "Name": f"kill {name}",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": args},
    }


def cluster_release(client, account: Account) -> str:
    return client.describe_cluster(ClusterId=account["cluster-id"])["Cluster"].get("ReleaseLabel", "")


def step_logs(client, account: Account, run: Run) -> str:
    cluster = client.describe_cluster(ClusterId=account["cluster-id"])["Cluster"]
    place = cluster.get("LogUri") or log_uri(account)
    return f"{place.replace('s3n://', 's3://').rstrip('/')}/{account['cluster-id']}/steps/{run.id}/"


def eks_runs(client, account: Account, name: str) -> Iterator[Run]:
    pages = client.get_paginator("list_job_runs").paginate(virtualClusterId=account["virtual-cluster-id"], name=name)
    return (eks_run(found) for page in pages for found in page["jobRuns"] if found.get("name") == name)


def eks_run(found: dict) -> Run:
    retries = found.get("retryPolicyExecution", {}).get("currentAttemptCount")
    why = found.get("stateDetails") or found.get("failureReason", "")
    return Run(found["id"], found["state"], found.get("createdAt"), why, digest(found), retries)


def eks_details(client, account: Account, id: str) -> Run:
    return eks_run(client.describe_job_run(virtualClusterId=account["virtual-cluster-id"], id=id)["jobRun"])


def cancel_on_eks(client, account: Account, run: Run, grace: int) -> None:
    client.cancel_job_run(virtualClusterId=account["virtual-cluster-id"], id=run.id)


def eks_logs(client, account: Account, run: Run) -> str:
    virtual = account["virtual-cluster-id"]
    found = client.describe_job_run(virtualClusterId=virtual, id=run.id)["jobRun"]
    return f"{logged(found, account)}/{virtual}/jobs/{run.id}/"


def serverless_runs(client, account: Account, name: str) -> Iterator[Run]:
    pages = client.get_paginator("list_job_runs").paginate(applicationId=account["application-id"])
    return (serverless_run(found) for page in pages for found in page["jobRuns"] if found.get("name") == name)


def serverless_run(found: dict) -> Run:
    return Run(
        found.get("jobRunId") or found["id"],
        found["state"],
        found.get("createdAt"),
        found.get("stateDetails", ""),
        digest(found),
        found.get("attempt"),
    )


def serverless_details(client, account: Account, id: str) -> Run:
    return serverless_run(client.get_job_run(applicationId=account["application-id"], jobRunId=id)["jobRun"])


def cancel_on_serverless(client, account: Account, run: Run, grace: int) -> None:
    client.cancel_job_run(applicationId=account["application-id"], jobRunId=run.id, shutdownGracePeriodInSeconds=grace)


def application_release(client, account: Account) -> str:
    return client.get_application(applicationId=account["application-id"])["application"]["releaseLabel"]


def serverless_logs(client, account: Account, run: Run) -> str:
    application = account["application-id"]
    found = client.get_job_run(applicationId=application, jobRunId=run.id)["jobRun"]
    return f"{logged(found, account)}/applications/{application}/jobs/{run.id}/"


def digest(found: dict) -> str | None:
    """Of the request that a run was started by: in its tags."""
    return found.get("tags", {}).get(REQUEST)


def logged(found: dict, account: Account) -> str:
    """Where the run was told to put its logs."""
    monitoring = found.get("configurationOverrides", {}).get("monitoringConfiguration", {})
    place = monitoring.get("s3MonitoringConfiguration", {}).get("logUri") or log_uri(account)
    return place.rstrip("/")


def log_uri(account: Account) -> str:
    """What the command line or the environment says; never a placeholder, which may be somebody's bucket."""
    if place := account.get("log-uri"):
        return place
    raise Refused("--log-uri", f"is missing; {variable('log-uri')} may hold it too")


PLATFORMS = {
    "ec2-step": Platform(
        needs="cluster-id",
        of=steps,
        details=step,
        started=lambda answer: answer["StepIds"][0],
        does=lambda request: request["Steps"][0]["HadoopJarStep"]["Args"],
        cancel=cancel_step,
        place=step_logs,
        # A step's own are those of spark-submit; the driver is the first container of each attempt.
        driver=re.compile(r"/container_[^/]+_000001/(stdout|stderr|spark\.log)"),
        release=cluster_release,
        kill=kill_application,
    ),
    "eks": Platform(
        needs="virtual-cluster-id",
        of=eks_runs,
        details=eks_details,
        started=lambda answer: answer["id"],
        does=digest,
        cancel=cancel_on_eks,
        place=eks_logs,
        driver=re.compile(r"-driver/(stdout|stderr)"),
    ),
    "serverless": Platform(
        needs="application-id",
        of=serverless_runs,
        details=serverless_details,
        started=lambda answer: answer["jobRunId"],
        does=digest,
        cancel=cancel_on_serverless,
        place=serverless_logs,
        driver=re.compile(r"/SPARK_DRIVER/(stdout|stderr)"),
        release=application_release,
    ),
}
