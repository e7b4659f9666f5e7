"""Replace the running job by this version: stop it, start it with these flags and files; the ledger carries on."""

import argparse
import json

from emr import aws, job, stop, submit
from emr.aws import Failed
from emr.targets import TARGETS


def add_flags(parser: argparse.ArgumentParser) -> None:
    job.add_flags(parser)
    stop.add_grace(parser)
    parser.add_argument("--dry-run", action="store_true", help="print the request, stop and send nothing")


def run(asked: argparse.Namespace) -> int:
    """What runs already as asked for stays; nothing is started before the old run has ended."""
    target = TARGETS[asked.target]
    planned, request = submit.ready(asked, target)
    if asked.dry_run:
        print(json.dumps(request, indent=2))
        return 0
    found = job.of(planned)
    submit.matching(found, planned)
    active = [one for one in found.runs() if one.active]
    if len(active) > 1:
        raise Failed(f"{', '.join(one.id for one in active)} run at once: `stop` them first")
    if active and submit.same(found, active[0], request):
        submit.say(active[0], "runs already", found)
        return 0
    stop.stopped(found, asked.grace // 1000)
    before = found.runs()
    if running := [one for one in before if one.active]:
        raise Failed(f"{running[0].id} was started meanwhile: nothing was submitted")
    with aws.doing(f"submitting {asked.target}"):
        submit.start(target, planned, request, found, before)
    return 0
