"""End the job: ask it by its marker object, and after a time of grace have the platform cancel it."""

import argparse
import time

from emr import aws, job
from emr.aws import Failed
from emr.job import Job
from emr.runs import ENDED_WELL, ENDING, RUNNING, Run
from jobs import flags

LOOK_EVERY = 10  # seconds
CANCEL = 600  # seconds that the platform has to cancel a run


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
                print(f"{one.id} {one.state}: would be {'asked to end' if one.state in RUNNING else 'cancelled'}")
            if one.left:
                print(f"{one.id} {one.state}: what it has left on YARN would be killed")
        return 0
    stopped(found, asked.grace // 1000)
    return 0


def stopped(found: Job, grace: int) -> None:
    """Nothing of the job runs any more; raises `Failed` if that can't be brought about."""
    runs = found.runs()
    active = [one for one in runs if one.active]
    left = [one for one in runs if one.left]
    if not active and not left:
        print(f"{found.name}: nothing runs")
    try:
        # One that waits would begin as soon as one that runs has ended.
        for one in active:
            if one.state not in RUNNING:
                cancel(found, one, grace)
        running = [one for one in active if one.state in RUNNING]
        if running:
            found.objects.write(found.marker, b"")
            print(f"asked to end by {found.marker}")
        for one in waited(found, running, grace):
            cancel(found, one, grace)
        if left:
            kill(found, left[0])
    finally:
        # Left there, even by a `stop` before this one, it would end the next run at once.
        found.objects.delete(found.marker)


def cancel(found: Job, run: Run, grace: int) -> None:
    """The platform has ended the run, and what of it might go on elsewhere."""
    print(f"cancelling {run.id}, which is {run.state}")
    if run.state not in ENDING:
        with aws.doing(f"cancelling {run.id}"):
            # What AWS takes, and so that it is over before we give up.
            found.platform.cancel(found.client, found.account, run, min(max(grace, 15), CANCEL - 60))
    ended(found, run.id)
    run = found.run(run.id)
    if found.platform.kill and run.begun and run.state not in ENDED_WELL:
        kill(found, run)


def kill(found: Job, run: Run) -> None:
    """The application that the run has left has ended."""
    print(f"killing what {run.id} has left")
    with aws.doing(f"killing what {run.id} has left"):
        other = found.platform.kill(found.client, found.account, found.name)
    ended(found, other)
    if not (last := found.run(other)).well:
        raise Failed(f"{other}, which kills the application on YARN, is {last.state}: it may still run")


def ended(found: Job, id: str) -> None:
    if left := waited(found, [found.run(id)], CANCEL):
        raise Failed(f"{id} is still {left[0].state} after {CANCEL} seconds: ask again")


def waited(found: Job, runs: list[Run], seconds: int) -> list[Run]:
    """Those of `runs` that still run after that time, or none as soon as all have ended."""
    until = time.monotonic() + seconds
    while True:
        runs = [found.run(one.id) for one in runs]
        for one in runs:
            if not one.active:
                print(f"{one.id} {one.state}")
        runs = [one for one in runs if one.active]
        if not runs or time.monotonic() >= until:
            return runs
        time.sleep(LOOK_EVERY)
