"""Print where the logs of the job's last run are, every file; with --tail the last lines of the driver's."""

import argparse
import gzip
import re

from emr import aws, job
from jobs import flags

OUTPUT = re.compile(r"/(stdout|stderr|controller)(\.gz)?$")
APPLICATION = re.compile(r"application_\d+_\d+")


def add_flags(parser: argparse.ArgumentParser) -> None:
    job.add_flags(parser)
    parser.add_argument("--tail", type=flags.count, metavar="N", help="print the last N lines of the driver's files")


def run(asked: argparse.Namespace) -> int:
    found = job.named(asked)
    runs = found.runs()
    if not runs:
        print(f"{found.name} has no runs")
        return 1
    with aws.doing(f"asking where the logs of {runs[0].id} are"):
        place = found.platform.place(found.client, found.account, runs[0])
    uris = list(aws.listed(place))
    driver = [uri for uri in uris if found.platform.driver in uri and OUTPUT.search(uri)]
    if asked.target == "ec2-step":
        uris += containers(place, driver)
    print("\n".join(uris or [f"nothing yet at {place}; AWS puts logs there some minutes late"]))
    for uri in driver if asked.tail else ():
        print(f"\n== {uri}")
        print("\n".join(text(uri).splitlines()[-asked.tail :]))
    return 0


def containers(place: str, files: list[str]) -> list[str]:
    """The logs of driver and executors: a step's own tell which application it submitted."""
    applications = {name for uri in files for name in APPLICATION.findall(text(uri))}
    cluster = place.partition("/steps/")[0]
    return [uri for name in sorted(applications) for uri in aws.listed(f"{cluster}/containers/{name}/")]


def text(uri: str) -> str:
    data = aws.read(uri)
    return (gzip.decompress(data) if uri.endswith(".gz") else data).decode(errors="replace")
