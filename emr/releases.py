"""The releases of EMR and what is in them: one table.

From AWS's release pages. A release that isn't here runs too when it has one of these Spark lines: `--spark-line`.
"""

import argparse
import re
from typing import NamedTuple

from jobs.settings import Refused


class Release(NamedTuple):
    line: str  # of Spark: which locked jars go with it
    spark: str
    scala: str
    python: str
    java: str
    interpreter: str  # to ask for, where the default Python is too old for boto3; empty: the default will do
    targets: tuple[str, ...] = ("ec2", "eks", "serverless")

    @property
    def jars(self) -> str:
        """The set of locked jars, as `python -m emr.jars` names it."""
        return f"kafka-{self.line}"


RELEASES = {
    "emr-7.14.0": Release("3.5", "3.5.8", "2.12", "3.9, 3.11", "17", "python3.11"),
    "emr-spark-8.1.0": Release("4.1", "4.1.1", "2.13", "3.11, 3.13", "17", ""),
}
# What a release that isn't in the table is taken for.
LINES = {
    "3.5": Release("3.5", "3.5", "2.12", "?", "17", "python3.11"),
    "4.1": Release("4.1", "4.1", "2.13", "?", "17", ""),
}
DEFAULT = "emr-spark-8.1.0"
LABEL = re.compile(r"(emr-(?:spark-)?\d+\.\d+\.\d+)(-latest|-\d{8})?")


def add_flags(parser: argparse.ArgumentParser) -> None:
    known = ", ".join(f"{label} (Spark {release.spark})" for label, release in RELEASES.items())
    parser.add_argument("--release", default=DEFAULT, metavar="LABEL", help=f"{known}, or another; default: {DEFAULT}")
    parser.add_argument("--spark-line", choices=LINES, help="of a release that isn't known here")


def named(label: str, line: str | None) -> Release:
    """The release `label`; raises `Refused` for one that isn't known without its line."""
    found = LABEL.fullmatch(label)
    if not found:
        raise Refused("--release", f"{label} is not like {' or '.join(RELEASES)}")
    bare = found[1]
    known = RELEASES.get(bare)
    if known and line and line != known.line:
        raise Refused("--spark-line", f"{bare} has Spark {known.spark}, not {line}")
    if known:
        return known
    if not line:
        raise Refused(
            "--release", f"{label} is none of {', '.join(RELEASES)}: say its --spark-line ({' or '.join(LINES)})"
        )
    return LINES[line]


def dated(label: str) -> bool:
    """Whether it names one of a release's images, as only EMR on EKS has them: `-latest` or `-20261101`."""
    return bool(LABEL.fullmatch(label)[2])
