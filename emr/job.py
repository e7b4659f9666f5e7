"""The job that is out there: what `status`, `logs`, `stop` and `upgrade` have in common."""

import argparse
from typing import NamedTuple

from emr import account, aws, plan
from emr.account import Account
from emr.runs import PLATFORMS, Platform, Run
from emr.targets import TARGETS
from jobs.settings import Refused


class Job(NamedTuple):
    """A job by the name that its flags give it, on one platform."""

    platform: Platform
    client: object
    account: Account
    name: str
    marker: str  # the object that asks the job to end

    def runs(self) -> list[Run]:
        with aws.doing(f"listing the runs of {self.name}"):
            return list(self.platform.of(self.client, self.account, self.name))

    def run(self, id: str) -> Run:
        with aws.doing(f"asking for {id}"):
            return self.platform.details(self.client, self.account, id)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `submit`, so that one command line submits, watches and stops."""
    parser.epilog = "the flags are those of `submit`, those after -- too: they say which job it is"
    parser.add_argument("target", choices=PLATFORMS, metavar="|".join(PLATFORMS))
    plan.add_flags(parser)


NEEDS = {"ec2-step": "cluster-id", "eks": "virtual-cluster-id", "serverless": "application-id"}


def named(asked: argparse.Namespace) -> Job:
    target = TARGETS[asked.target]
    planned = plan.made(asked, target.platform)
    if not planned.account.get(need := NEEDS[asked.target]):
        raise Refused(f"--{need}", f"is missing; {account.variable(need)} may hold it too")
    platform = PLATFORMS[asked.target]
    with aws.doing(f"a client of {target.service}"):
        client = aws.client(target.service, planned.account.get("region"))
    return Job(platform, client, planned.account, planned.name, f"{planned.settings.state}/stop")
