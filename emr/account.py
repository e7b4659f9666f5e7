"""What only the account knows: flags or environment variables, each with the form that AWS takes."""

import argparse
import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from jobs import flags
from jobs.settings import Refused


class Value(NamedTuple):
    """`form` is what AWS takes; the placeholder has that form, so that a rendered document is one AWS can read."""

    form: str
    placeholder: str
    help: str

    def __call__(self, text: str) -> str:
        if not re.fullmatch(self.form, text, re.ASCII):
            raise argparse.ArgumentTypeError(f"{text!r} does not look like {self.placeholder}")
        return text.rstrip("/")


ROLE = flags.ROLE.pattern
S3 = r"s3://[a-z0-9.-]{3,63}(/\S*)?"
VALUES = {
    "cluster-id": Value(r"j-[0-9A-Z]{1,20}", "j-00000000EXAMPLE", "EC2: the cluster of a step"),
    "service-role": Value(rf"[\w+=,.@-]+|{ROLE}", "EMR_DefaultRole", "EC2: the role of EMR itself"),
    "instance-profile": Value(r"[\w+=,.@-]+", "floodmark-job", "EC2: the profile that holds the job's role"),
    "job-role-arn": Value(ROLE, "arn:aws:iam::111122223333:role/floodmark-job", "the role that the job runs with"),
    "virtual-cluster-id": Value(r"[0-9a-z]{1,64}", "examplevirtualcluster0", "EKS: the virtual cluster"),
    "application-id": Value(r"[0-9a-z]{1,64}", "00fexampleapplication", "Serverless: the application"),
    "scheduler-role-arn": Value(
        ROLE, "arn:aws:iam::111122223333:role/floodmark-scheduler", "the role that the schedule starts runs with"
    ),
    "subnets": Value(r"subnet-[0-9a-f]{8,17}(,subnet-[0-9a-f]{8,17})*", "subnet-0a0a0a0a0a0a0a0a0", "private, a,b"),
    "security-groups": Value(r"sg-[0-9a-f]{8,17}(,sg-[0-9a-f]{8,17})*", "sg-0c0c0c0c0c0c0c0c0", "MSK lets them in"),
    "region": Value(flags.REGION.pattern, "us-east-1", "where the job runs"),
    "log-uri": Value(S3, "s3://example-logs/floodmark", "where EMR puts logs"),
    "artefacts": Value(r"\S.*", "s3://example-code/floodmark/list.json", "the list that `package --to` wrote"),
}  # fmt: skip


def variable(name: str) -> str:
    if name == "region":
        return "AWS_REGION"
    return f"FLOODMARK_{name.replace('-', '_').upper()}"


def add_flags(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what only the account knows", "each may come from the environment instead")
    for name, value in VALUES.items():
        placeholder = name.upper().replace("-", "_")
        group.add_argument(f"--{name}", type=value, metavar=placeholder, help=f"{value.help} [{variable(name)}]")


class Account:
    """`account["cluster-id"]` is what was given, or a placeholder; `missing` has the placeholders handed out."""

    def __init__(self, given: Mapping[str, str]):
        self.given = given
        self.missing: dict[str, str] = {}

    @classmethod
    def of(cls, asked: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> "Account":
        from_flags = {name: getattr(asked, name.replace("-", "_")) for name in VALUES}
        # boto3 reads the one of the two variables of a region, and everything else of AWS the other.
        environment = {"AWS_REGION": environment.get("AWS_DEFAULT_REGION", ""), **environment}
        from_environment = {name: checked(name, environment.get(variable(name))) for name in VALUES}
        return cls({name: from_flags[name] or from_environment[name] for name in VALUES})

    def __getitem__(self, name: str) -> str:
        if self.given.get(name):
            return self.given[name]
        self.missing[name] = VALUES[name].placeholder
        return self.missing[name]

    def get(self, name: str) -> str | None:
        return self.given.get(name)


def checked(name: str, text: str | None) -> str | None:
    try:
        return VALUES[name](text) if text else None
    except argparse.ArgumentTypeError as wrong:
        raise Refused(variable(name), str(wrong)) from None
