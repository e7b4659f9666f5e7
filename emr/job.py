"""The job that is out there: what `submit`, `status`, `logs`, `stop` and `upgrade` have in common."""

import argparse
from typing import NamedTuple

from emr import account, aws, plan
from emr.account import Account
from emr.aws import Failed, Objects
from emr.plan import Plan
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
    objects: Objects

    def runs(self) -> list[Run]:
        """Newest first."""
        with aws.doing(f"listing the runs of {self.name}"):
            found = list(self.platform.of(self.client, self.account, self.name))
        return sorted(found, key=lambda run: run.since.timestamp() if run.since else 0, reverse=True)

    def run(self, id: str) -> Run:
        with aws.doing(f"asking for {id}"):
            return self.platform.details(self.client, self.account, id)

    def logs(self, run: Run) -> str:
        with aws.doing(f"asking where the logs of {run.id} are"):
            return self.platform.place(self.client, self.account, run)


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of `submit`, so that one command line submits, watches and stops."""
    parser.epilog = "the flags are those of `submit`, those after -- too: they say which job it is"
    parser.add_argument("target", choices=PLATFORMS, metavar="|".join(PLATFORMS))
    plan.add_flags(parser)


def named(asked: argparse.Namespace) -> Job:
    return of(plan.made(asked, TARGETS[asked.target].platform))


def of(planned: Plan) -> Job:
    """The job of the plan; raises `Refused` if it isn't said where its runs are."""
    target = planned.asked.target
    platform = PLATFORMS[target]
    if not planned.account.get(platform.needs):
        raise Refused(f"--{platform.needs}", f"is missing; {account.variable(platform.needs)} may hold it too")
    region = planned.account.get("region")
    with aws.doing(f"a client of {TARGETS[target].service}"):
        client, objects = aws.client(TARGETS[target].service, region), Objects(region)
    return Job(platform, client, planned.account, planned.name, f"{planned.settings.state}/stop", objects)


def runs(found: Job) -> list[Run]:
    """The job's runs, of which there is one at least; raises `Failed` if there is none."""
    listed = found.runs()
    if not listed:
        raise Failed(f"{found.name} has no runs")
    return listed
