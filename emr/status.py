"""Print the state of the job's last runs; exit code 0 if the last one runs or ended well, 1 if not."""

import argparse

from emr import job
from emr.runs import Run

SHOWN = 5


def add_flags(parser: argparse.ArgumentParser) -> None:
    job.add_flags(parser)


def run(asked: argparse.Namespace) -> int:
    found = job.named(asked)
    runs = job.runs(found)
    last = found.run(runs[0].id)
    for one in (last, *runs[1:SHOWN]):
        attempt = f"attempt {one.attempt}" if one.attempt else ""
        print("  ".join(filter(None, (one.id, one.state, since(one), attempt, " ".join(one.why.split())))))
    return 0 if last.well else 1


def since(run: Run) -> str:
    return f"{run.since:%Y-%m-%d %H:%M:%S%z}" if run.since else ""
