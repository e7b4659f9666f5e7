"""The AWS names that a policy speaks of, taken apart and made: each is checked where it is given as a flag.

Standard library only.
"""

import re
from argparse import ArgumentTypeError
from typing import NamedTuple

from jobs import flags

PARTITION = "arn:(aws|aws-cn|aws-us-gov)"
DNS = {"aws": "amazonaws.com", "aws-cn": "amazonaws.com.cn", "aws-us-gov": "amazonaws.com"}


class Cluster(NamedTuple):
    """An MSK cluster; `topic` and `group` make the ARNs of what is in it."""

    partition: str
    region: str
    account: str
    name: str
    uuid: str

    def __str__(self) -> str:
        return self._arn("cluster", self.account, self.name, self.uuid)

    def topic(self, name: str) -> str:
        return self._arn("topic", self.account, self.name, self.uuid, name)

    def group(self, name: str) -> str:
        return self._arn("group", self.account, self.name, self.uuid, name)

    def connections(self, client: str) -> str:
        """Every VPC connection that the account `client` has to this cluster."""
        return self._arn("vpc-connection", client, self.account, self.name, "*")

    def _arn(self, kind: str, account: str, *path: str) -> str:
        return f"arn:{self.partition}:kafka:{self.region}:{account}:{'/'.join((kind, *path))}"


class Role(NamedTuple):
    partition: str
    account: str
    name: str  # with its path

    def __str__(self) -> str:
        return f"arn:{self.partition}:iam::{self.account}:role/{self.name}"


class Secret(NamedTuple):
    """A secret by its ARN, or by its name alone: then the rest is empty."""

    partition: str
    region: str
    account: str
    name: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:secretsmanager:{self.region}:{self.account}:secret:{self.name}"


def cluster(text: str) -> Cluster:
    found = re.fullmatch(rf"{PARTITION}:kafka:([a-z0-9-]+):(\d{{12}}):cluster/([A-Za-z0-9-]+)/([A-Za-z0-9-]+)", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is not arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID")
    return Cluster(*found.groups())


def role(text: str) -> Role:
    found = re.fullmatch(rf"{PARTITION}:iam::(\d{{12}}):role/([\w+=,.@/-]+)", text, re.ASCII)
    if not found:
        raise ArgumentTypeError(f"{text!r} is not arn:aws:iam::ACCOUNT:role/NAME")
    return Role(*found.groups())


def secret(text: str) -> Secret:
    found = re.fullmatch(rf"{PARTITION}:secretsmanager:([a-z0-9-]+):(\d{{12}}):secret:([\w/+=.@-]+)", text, re.ASCII)
    if found:
        return Secret(*found.groups())
    if not re.fullmatch(r"[\w/+=.@-]{1,512}", text, re.ASCII):
        raise ArgumentTypeError(f"{text!r} is no secret's name, nor arn:aws:secretsmanager:REGION:ACCOUNT:secret:…")
    return Secret("", "", "", text)


def external_id(text: str) -> str:
    if not re.fullmatch(r"[\w+=,.@:/-]{2,1224}", text, re.ASCII):
        raise ArgumentTypeError(f"{text!r} is not 2 to 1224 of letters, digits and _+=,.@:/-")
    return text


def servers(text: str) -> Cluster | None:
    """The cluster, where the job is given its ARN instead of its brokers."""
    if text.startswith("arn:"):
        return cluster(text)
    flags.servers(text)
    return None


def group(text: str) -> str:
    """A consumer group's name, or how it begins: without the characters that mean something in an ARN's pattern."""
    if not re.fullmatch(r"[\w.-]{1,255}", text, re.ASCII):
        raise ArgumentTypeError(f"{text!r} is not 1 to 255 of letters, digits and ._-")
    return text
