"""The runs of a job on each platform: how they are found and cancelled, and where their logs are. One table.

A client comes in, AWS's answers go out as `Run`: what the verbs need, and no more.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from emr.account import Account

# What a state means for whoever waits; any other means that the run failed or was cancelled.
ACTIVE = {
    *("PENDING", "CANCEL_PENDING", "RUNNING", "SUBMITTED"),  # of a step and of a run on EKS
    *("SCHEDULED", "QUEUED", "CANCELLING"),  # of a run on Serverless
}
ENDED_WELL = {"COMPLETED", "SUCCESS"}


class Run(NamedTuple):
    id: str
    state: str
    since: str
    why: str = ""  # AWS's words about the state
    sent: dict | list | None = None  # what it was told to do, to compare with a request
    attempt: int | None = None

    @property
    def active(self) -> bool:
        return self.state in ACTIVE

    @property
    def well(self) -> bool:
        return self.active or self.state in ENDED_WELL


class Platform(NamedTuple):
    """`of` gives a job's runs, newest first; `place` where a run's logs are, and what marks those of the driver."""

    of: Callable[..., Iterator[Run]]
    details: Callable[..., Run]
    started: Callable[[dict], str]  # the id in the answer to a start
    sent: Callable[[dict], dict | list]  # of a request, what `Run.sent` is of a run
    cancel: Callable[..., str]  # gives what there is to wait for besides, if anything
    place: Callable[..., str]
    driver: str
    leaves_behind: bool = False  # cancelled by hand, its application may still be there


def steps(client, account: Account, name: str) -> Iterator[Run]:
    pages = client.get_paginator("list_steps").paginate(ClusterId=account["cluster-id"])
    return (step_run(step) for page in pages for step in page["Steps"] if step["Name"] == name)


def step_run(step: dict) -> Run:
    status = step["Status"]
    why = status.get("FailureDetails") or status.get("StateChangeReason") or {}
    return Run(
        step["Id"],
        status["State"],
        str(status.get("Timeline", {}).get("CreationDateTime", "")),
        why.get("Message", ""),
        step["Config"].get("Args"),
    )


def step(client, account: Account, id: str) -> Run:
    return step_run(client.describe_step(ClusterId=account["cluster-id"], StepId=id)["Step"])


def cancel_step(client, account: Account, run: Run, name: str, grace: int) -> str:
    """The step ends, and a second one kills the application: cancelling a step leaves what runs on YARN alone.

    The second comes after the first, which would else hold its place on a cluster that runs one step at a time.
    """
    cluster = account["cluster-id"]
    if run.active:
        client.cancel_steps(ClusterId=cluster, StepIds=[run.id], StepCancellationOption="SEND_INTERRUPT")
    if run.state == "PENDING":
        return ""  # it hasn't submitted anything
    return client.add_job_flow_steps(JobFlowId=cluster, Steps=[killing(name)])["StepIds"][0]


def killing(name: str) -> dict:
    """A step that kills every application with the job's tag, and succeeds when there is none."""
    states = "NEW,NEW_SAVING,SUBMITTED,ACCEPTED,RUNNING"
    script = (
        f"yarn application -list -appTags {name} -appStates {states} | awk '/^application_/ {{print $1}}' "
        "| xargs -r -n 1 yarn application -kill"
    )
    args = ["bash", "-c", script]
    return {
        "Name": f"kill {name}",
        "ActionOnFailure": "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": args},
    }


def step_logs(client, account: Account, run: Run) -> str:
    cluster = client.describe_cluster(ClusterId=account["cluster-id"])["Cluster"]
    place = cluster.get("LogUri") or account["log-uri"]
    return f"{place.replace('s3n://', 's3://').rstrip('/')}/{account['cluster-id']}/steps/{run.id}/"


def eks_runs(client, account: Account, name: str) -> Iterator[Run]:
    pages = client.get_paginator("list_job_runs").paginate(virtualClusterId=account["virtual-cluster-id"], name=name)
    return (eks_run(found) for page in pages for found in page["jobRuns"] if found.get("name") == name)


def eks_run(found: dict) -> Run:
    retries = found.get("retryPolicyExecution", {}).get("currentAttemptCount")
    why = found.get("stateDetails") or found.get("failureReason", "")
    return Run(found["id"], found["state"], str(found.get("createdAt", "")), why, sent(found), retries)


def eks_details(client, account: Account, id: str) -> Run:
    return eks_run(client.describe_job_run(virtualClusterId=account["virtual-cluster-id"], id=id)["jobRun"])


def cancel_on_eks(client, account: Account, run: Run, name: str, grace: int) -> str:
    client.cancel_job_run(virtualClusterId=account["virtual-cluster-id"], id=run.id)
    return ""


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
        str(found.get("createdAt", "")),
        found.get("stateDetails", ""),
        sent(found),
        found.get("attempt"),
    )


def serverless_details(client, account: Account, id: str) -> Run:
    return serverless_run(client.get_job_run(applicationId=account["application-id"], jobRunId=id)["jobRun"])


def cancel_on_serverless(client, account: Account, run: Run, name: str, grace: int) -> str:
    seconds = min(max(grace, 15), 1_800)  # what AWS takes
    client.cancel_job_run(
        applicationId=account["application-id"], jobRunId=run.id, shutdownGracePeriodInSeconds=seconds
    )
    return ""


def serverless_logs(client, account: Account, run: Run) -> str:
    application = account["application-id"]
    found = client.get_job_run(applicationId=application, jobRunId=run.id)["jobRun"]
    return f"{logged(found, account)}/applications/{application}/jobs/{run.id}/"


def sent(found: dict) -> dict | None:
    """What a request, or AWS's answer about a run, says that runs; nothing when a template says it."""
    if "jobDriver" not in found:
        return None
    settings = found.get("configurationOverrides", {}).get("applicationConfiguration")
    return {"jobDriver": found["jobDriver"], "applicationConfiguration": settings}


def logged(found: dict, account: Account) -> str:
    """Where the run was told to put its logs."""
    monitoring = found.get("configurationOverrides", {}).get("monitoringConfiguration", {})
    place = monitoring.get("s3MonitoringConfiguration", {}).get("logUri") or account["log-uri"]
    return place.rstrip("/")


PLATFORMS = {
    "ec2-step": Platform(
        of=steps,
        details=step,
        started=lambda answer: answer["StepIds"][0],
        sent=lambda request: request["Steps"][0]["HadoopJarStep"]["Args"],
        cancel=cancel_step,
        place=step_logs,
        driver="/steps/",
        leaves_behind=True,
    ),
    "eks": Platform(
        of=eks_runs,
        details=eks_details,
        started=lambda answer: answer["id"],
        sent=sent,
        cancel=cancel_on_eks,
        place=eks_logs,
        driver="-driver/",
    ),
    "serverless": Platform(
        of=serverless_runs,
        details=serverless_details,
        started=lambda answer: answer["jobRunId"],
        sent=sent,
        cancel=cancel_on_serverless,
        place=serverless_logs,
        driver="/SPARK_DRIVER/",
    ),
}
