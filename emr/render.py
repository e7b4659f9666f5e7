"""Print the request of a target as JSON; with --cli as the AWS CLI's command that sends it."""

import argparse
import json
import shlex
import sys

from emr import account, cli, plan
from emr.targets import TARGETS

FLAGS = "then -- and the flags of jobs/ingest.py"


def add_target(parser: argparse.ArgumentParser) -> None:
    parser.epilog = FLAGS
    parser.add_argument("target", choices=TARGETS, metavar="|".join(TARGETS))
    plan.add_flags(parser)


def add_flags(parser: argparse.ArgumentParser) -> None:
    add_target(parser)
    parser.add_argument("--cli", action="store_true", help="as the AWS CLI's command line, for a shell")


def run(asked: argparse.Namespace) -> int:
    target = TARGETS[asked.target]
    planned = plan.made(asked, target.platform)
    request = target.made(planned)
    print(
        shlex.join(cli.command(target.service, target.operation, request))
        if asked.cli
        else json.dumps(request, indent=2)
    )
    for name, placeholder in planned.account.missing.items():
        print(f"# --{name} or {account.variable(name)} is missing; {placeholder} stands in for it", file=sys.stderr)
    return 0
