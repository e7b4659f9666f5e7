"""Print where the logs of the job's last run are, every file; with --tail the last lines of the driver's."""

import argparse
import gzip
import re

from emr import job
from emr.aws import Objects
from jobs import flags

APPLICATION = re.compile(r"application_\d+_\d+")


def add_flags(parser: argparse.ArgumentParser) -> None:
    job.add_flags(parser)
    parser.add_argument("--tail", type=flags.count, metavar="N", help="print the last N lines of the driver's files")


def run(asked: argparse.Namespace) -> int:
    found = job.named(asked)
    place = found.logs(job.runs(found)[0])
    uris = list(found.objects.listed(place))
    if asked.target == "ec2-step":
        uris += containers(found.objects, place, uris)
    print("\n".join(uris or [f"nothing yet at {place}; AWS puts logs there some minutes late"]))
    for uri in uris if asked.tail else ():
        if found.platform.driver.search(uri):
            print(f"\n== {uri}")
            print("\n".join(text(found.objects, uri).splitlines()[-asked.tail :]))
    return 0


def containers(objects: Objects, place: str, files: list[str]) -> list[str]:
    """The logs of driver and executors: a step's own tell which application it submitted."""
    applications = {name for uri in files for name in APPLICATION.findall(text(objects, uri))}
    cluster = place.partition("/steps/")[0]
    return [uri for name in sorted(applications) for uri in objects.listed(f"{cluster}/containers/{name}/")]


def text(objects: Objects, uri: str) -> str:
    data = objects.read(uri)
    return (gzip.decompress(data) if uri.endswith(".gz") else data).decode(errors="replace")
