"""Who does the same work: how each is started, and where its rows are afterwards."""

import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple

from emr import jars, local

TRANSFORM = "transforms.access_log:access_log"
BATCH = 500_000  # records, for whoever reads in large batches


class Work(NamedTuple):
    """A topic to drain into a table."""

    bootstrap: str
    topic: str
    table: str

    @property
    def where(self) -> list[str]:
        """As the scripts of this folder take it."""
        return ["--bootstrap", self.bootstrap, "--topic", self.topic, "--table", self.table]


class Start(NamedTuple):
    command: list[str]
    environment: Mapping[str, str]


def ours(work: Work) -> Start:
    """What `make run` starts."""
    words = [
        "jobs/ingest.py", "--bootstrap-servers", work.bootstrap, "--topics", work.topic, "--table", work.table,
        "--transform", TRANSFORM, "--partition-by", "dt,hr", "--trigger", "available-now", "--max-records", str(BATCH),
    ]  # fmt: skip
    return Start(local.command(words), local.environment(words))


def stock(kind: str) -> Callable[[Work], Start]:
    """Spark as it comes."""

    def start(work: Work) -> Start:
        submit = [local.SPARK_SUBMIT, "--master", "local[*]", "--jars", ",".join(jars.paths([f"kafka-{local.LINE}"]))]
        more = ["--checkpoint", f"{work.table}_state/checkpoint", "--max-records", str(BATCH)]
        return Start([*submit, "tests/bench/stock.py", kind, *work.where, *more], {"JAVA_HOME": jars.java_home()})

    return start


def consumer(kind: str) -> Callable[[Work], Start]:
    def start(work: Work) -> Start:
        return Start([sys.executable, "-m", "tests.bench.consumer", kind, *work.where], {})

    return start


READS_ONLY = "Python, reads only"
YARDSTICK = "Spark's file sink"
CONTENDERS = {
    READS_ONLY: consumer("none"),  # first: who reads a topic first reads it from the disk
    "Floodmark": ours,
    YARDSTICK: stock("sink"),
    "foreachBatch, append": stock("append"),
    "Python, json.loads": consumer("json"),
    "Python, Arrow's JSON": consumer("arrow"),
}
