"""How large driver and executors are: one table, from records per second to memory and cores.

A core does 12,500 records of 370 bytes a second here: a fifth of what two cores did warm (JSON parsed, written as zstd
Parquet on a local disk), for S3 is farther, records are larger, and a job that was down has to catch up.
"""

import argparse
import math
import re
from typing import NamedTuple

from jobs import flags


class Size(NamedTuple):
    records: int  # a second, that it is meant for
    driver_cores: int
    driver_memory: str
    executors: int
    executor_cores: int
    executor_memory: str


# EC2: two containers of `xs` fit an xlarge node (4 vCPU, 16 GiB, 12 of them YARN's).
# EKS: Kubernetes adds 40 % for a Python job; `xs` and the pod that submits it fit an xlarge node (4 vCPU, 16 GiB).
# Serverless: with the 10 % (at least 384 MiB) that Spark adds, just below a size of worker that is billed.
SIZES = {
    "ec2": {
        "xs": Size(12_500, 1, "2g", 1, 1, "3g"),
        "s": Size(25_000, 1, "3g", 1, 2, "5g"),
        "m": Size(100_000, 2, "4g", 2, 4, "8g"),
        "l": Size(400_000, 4, "8g", 8, 4, "8g"),
    },
    "eks": {
        "xs": Size(12_500, 1, "2g", 1, 1, "2g"),
        "s": Size(25_000, 1, "2g", 1, 2, "4g"),
        "m": Size(100_000, 2, "4g", 2, 4, "8g"),
        "l": Size(400_000, 4, "8g", 8, 4, "8g"),
    },
    "serverless": {
        "xs": Size(12_500, 1, "3g", 1, 1, "3g"),
        "s": Size(25_000, 1, "3g", 1, 2, "7g"),
        "m": Size(100_000, 2, "7g", 2, 4, "14g"),
        "l": Size(400_000, 4, "14g", 8, 4, "14g"),
    },
}
MEANT = SIZES["ec2"]
OVERRIDES = {
    "driver_cores": flags.count,
    "driver_memory": None,
    "executors": flags.count,
    "executor_cores": flags.count,
    "executor_memory": None,
}


def gigabytes(memory: str) -> int:
    """Of a container whose JVM has `memory`: Spark adds a tenth, at least 384 MiB."""
    mebibytes = int(memory[:-1]) * {"m": 1, "g": 1024}[memory[-1]]
    return math.ceil((mebibytes + max(384, mebibytes / 10)) / 1024)


def memory(text: str) -> str:
    """An amount as Spark writes it."""
    if not re.fullmatch(r"[1-9]\d*[mg]", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount of memory: write 512m or 4g")
    return text


def add_flags(parser: argparse.ArgumentParser) -> None:
    meant = ", ".join(f"{name} {size.records:,}" for name, size in MEANT.items())
    parser.add_argument(
        "--size", choices=MEANT, default="xs", help=f"for so many records a second: {meant}; default: xs"
    )
    for name, kind in OVERRIDES.items():
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=kind or memory, metavar="N" if kind else "4g", help="instead of the size's")


def chosen(asked: argparse.Namespace, target: str) -> Size:
    """The size that the flags ask for, on the target."""
    given = {name: getattr(asked, name) for name in OVERRIDES if getattr(asked, name) is not None}
    return SIZES[target][asked.size]._replace(**given)
