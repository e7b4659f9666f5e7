"""Print the request of a target as JSON that the AWS CLI takes: `--cli-input-json file://…`."""

import argparse
import json
import sys

from emr import account, plan
from emr.targets import TARGETS

FLAGS = "then -- and the flags of jobs/ingest.py"


def add_flags(parser: argparse.ArgumentParser) -> None:
    parser.epilog = FLAGS
    parser.add_argument("target", choices=TARGETS, metavar="|".join(TARGETS))
    plan.add_flags(parser)


def run(asked: argparse.Namespace) -> int:
    target = TARGETS[asked.target]
    planned = plan.made(asked, target.platform)
    print(json.dumps(target.made(planned), indent=2))
    for name, placeholder in planned.account.missing.items():
        print(f"# --{name} or {account.variable(name)} is missing; {placeholder} stands in for it", file=sys.stderr)
    return 0
