"""Policy documents of what runs the job: who may be its role on each platform, and what a schedule's role may do."""

import re
from argparse import ArgumentTypeError

from emr.arns import DNS
from emr.lake import allow


def ec2(asked) -> dict:
    """Whose nodes have the job's role, by an instance profile."""
    return trusted("ec2", asked)


def eks(asked) -> dict:
    """EKS Pod Identity: pods whose service account is associated with the role."""
    document = trusted("pods.eks", asked, ours=True)
    document["Statement"][0]["Action"].append("sts:TagSession")
    return document


def serverless(asked) -> dict:
    """Runs of applications in the job's account, or of the one application that is named."""
    document = trusted("emr-serverless", asked, ours=True)
    if asked.application:
        document["Statement"][0]["Condition"]["StringEquals"]["aws:SourceArn"] = asked.application
    return document


def scheduler(asked) -> dict:
    """Schedules of the job's account."""
    return trusted("scheduler", asked, ours=True)


def schedule(asked) -> dict:
    """What a schedule's role may do: start runs in one application, with the job's role."""
    job = asked.needs("job_role", "--job-role-arn")
    application = asked.needs("application", "--application-arn")
    passed = {"StringEquals": {"iam:PassedToService": f"emr-serverless.{DNS['aws']}"}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            allow("StartRuns", ["emr-serverless:StartJobRun"], application),
            allow("TagRuns", ["emr-serverless:TagResource"], f"{application}/jobruns/*"),
            allow("WithTheJobsRole", ["iam:PassRole"], str(job), passed),
        ],
    }


def trusted(service: str, asked, ours: bool = False) -> dict:
    """A trust policy for one of AWS's services, acting for the job's account only."""
    job = asked.needs("job_role", "--job-role-arn")
    dns = DNS[job.partition] if service == "ec2" else DNS["aws"]
    condition = {"StringEquals": {"aws:SourceAccount": job.account}} if ours else None
    statement = allow("ThePlatform", ["sts:AssumeRole"], None, condition)
    return {"Version": "2012-10-17", "Statement": [statement | {"Principal": {"Service": f"{service}.{dns}"}}]}


def application(text: str) -> str:
    if not re.fullmatch(r"arn:(aws|aws-cn|aws-us-gov):emr-serverless:[a-z0-9-]+:\d{12}:/applications/[0-9a-z]+", text):
        raise ArgumentTypeError(f"{text!r} is not arn:aws:emr-serverless:REGION:ACCOUNT:/applications/ID")
    return text


DOCUMENTS = {
    "trust-ec2": ec2,
    "trust-eks": eks,
    "trust-serverless": serverless,
    "trust-scheduler": scheduler,
    "scheduler-role": schedule,
}
