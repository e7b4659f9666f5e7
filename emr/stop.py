"""End the job: ask it by its marker object, and after a time of grace have the platform cancel it."""

import argparse
import time

from emr import aws, job
from emr.aws import Failed
from emr.job import Job
from emr.runs import Run
from jobs import flags

LOOK_EVERY = 10  # seconds
CANCEL = 600  # seconds that the platform has to cancel a run
# These may have left an application on YARN behind, which nobody but YARN knows of.
LEFT_BEHIND = {"CANCELLED", "INTERRUPTED"}


def add_flags(parser: argparse.ArgumentParser) -> None:
    job.add_flags(parser)
    add_grace(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what runs, stop nothing")


def add_grace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--grace", type=flags.duration, default=300_000, metavar="5m", help="for its batch; 5m")


def run(asked: argparse.Namespace) -> int:
    found = job.named(asked)
    if asked.dry_run:
        for one in found.runs():
            if one.active:
                print(f"{one.id} {one.state}: would be asked to end by {found.marker}")
        return 0
    stopped(found, asked.grace // 1000)
    return 0


def stopped(found: Job, grace: int) -> None:
    """Nothing of the job runs any more; raises `Failed` if that can't be brought about."""
    runs = found.runs()
    active = [one for one in runs if one.active]
    left = [one for one in runs[:1] if one.state in LEFT_BEHIND and found.platform.leaves_behind]
    if not active and not left:
        print(f"{found.name}: nothing runs")
        return
    try:
        if any(one.state == "RUNNING" for one in active):
            aws.write(found.marker, b"")
            print(f"asked to end by {found.marker}")
            active = waited(found, active, grace)
        for one in active or left:
            cancel(found, one, grace)
    finally:
        # Left there it would end the next run at once. The job takes it away by itself, if it ends by itself.
        aws.delete(found.marker)


def cancel(found: Job, run: Run, grace: int) -> None:
    """The platform has ended the run, and what of it might go on elsewhere."""
    print(f"cancelling {run.id}, which is {run.state}")
    with aws.doing(f"cancelling {run.id}"):
        other = found.platform.cancel(found.client, found.account, run, found.name, grace)
    pending = [run, *([found.run(other)] if other else [])]
    if left := waited(found, pending, CANCEL):
        raise Failed(f"{left[0].id} is still {left[0].state} after {CANCEL} seconds: ask again")
    if other and not (ended := found.run(other)).well:
        raise Failed(f"{other}, which kills the application on YARN, is {ended.state}: it may still run")


def waited(found: Job, runs: list[Run], seconds: int) -> list[Run]:
    """Those of `runs` that still run after that time, or none as soon as all have ended."""
    until = time.monotonic() + seconds
    while True:
        runs = [now for now in map(found.run, [one.id for one in runs]) if now.active or say(now)]
        if not runs or time.monotonic() >= until:
            return runs
        time.sleep(LOOK_EVERY)


def say(run: Run) -> bool:
    print(f"{run.id} {run.state}")
    return False
