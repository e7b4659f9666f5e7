"""Who does the same work: how each is started, and where its rows are afterwards."""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from emr import jars, local
from jobs.session import LOCAL, endpoint

TRANSFORM = "transforms.access_log:access_log"
BATCH = 500_000  # records, for whoever reads in large batches


class Work(NamedTuple):
    """A topic to drain into a table or, with a trigger in seconds, to follow."""

    bootstrap: str
    topic: str
    table: str
    most: int = BATCH  # records a batch
    trigger: int | None = None
    store: Mapping[str, str] = MappingProxyType({})  # what a client of the store finds in its environment

    @property
    def where(self) -> list[str]:
        """As the scripts of this folder take it."""
        return ["--bootstrap", self.bootstrap, "--topic", self.topic, "--table", self.table]


class Start(NamedTuple):
    command: list[str]
    environment: Mapping[str, str]


def ours(work: Work, script: str = "jobs/ingest.py", java: str = "") -> Start:
    """What `make run` starts, or another script in its place; `java` is said to the JVM in the archive's place."""
    words = [script, *flags(work)]
    return Start(local.command(words, java), {**local.environment(words), **work.store})


def ours_plain_start(work: Work) -> Start:
    """As `spark-submit` starts it, with nothing said to the JVM."""
    return submitted(work, ["jobs/ingest.py", *flags(work)])


def flags(work: Work) -> list[str]:
    trigger = "available-now" if work.trigger is None else f"{work.trigger}s"
    return [
        "--bootstrap-servers", work.bootstrap, "--topics", work.topic, "--table", work.table, "--transform", TRANSFORM,
        "--partition-by", "dt,hr", "--trigger", trigger, "--max-records", str(work.most),
    ]  # fmt: skip


def stock(kind: str) -> Callable[[Work], Start]:
    """Spark as it comes, and as `spark-submit` starts it."""

    def start(work: Work) -> Start:
        settings = LOCAL | endpoint(work.store) if work.store else {}
        return submitted(work, [*confs(settings), *stock_script(kind, work)])

    return start


def submitted(work: Work, words: list[str]) -> Start:
    sets = [f"kafka-{local.LINE}", *([f"s3-{local.LINE}"] if work.store else [])]
    submit = [local.SPARK_SUBMIT, "--master", "local[*]", "--jars", ",".join(jars.paths(sets))]
    return Start([*submit, *words], {"JAVA_HOME": jars.java_home(), **work.store})


def stock_our_start(work: Work, java: str = "") -> Start:
    """Spark's file sink, started as the job is: JVM options, archive, class path, settings of a local master."""
    command = local.command([*confs(LOCAL | endpoint(work.store)), *stock_script("sink", work)], java)
    return Start(command, {**local.environment([work.table]), **work.store})


def confs(settings: Mapping[str, str]) -> list[str]:
    return [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]


def stock_script(kind: str, work: Work) -> list[str]:
    more = ["--checkpoint", f"{work.table}_state/checkpoint", "--max-records", str(work.most)]
    more += [] if work.trigger is None else ["--trigger", str(1000 * work.trigger)]
    return ["tests/bench/stock.py", kind, *work.where, *more]


def consumer(kind: str) -> Callable[[Work], Start]:
    def start(work: Work) -> Start:
        return Start([sys.executable, "-m", "tests.bench.consumer", kind, *work.where], {})

    return start


READS_ONLY = "Python, reads only"
OURS = "Floodmark"
OURS_BROKEN = "Floodmark, 0.5 % bad"
OURS_PLAIN_START = "Floodmark, Spark's start"
YARDSTICK = "Spark's file sink"
YARDSTICK_OUR_START = "Spark's file sink, our start"
CONTENDERS = {
    OURS: ours,
    OURS_BROKEN: ours,
    OURS_PLAIN_START: ours_plain_start,
    YARDSTICK: stock("sink"),
    YARDSTICK_OUR_START: stock_our_start,
    "foreachBatch, append": stock("append"),
    "Python, json.loads": consumer("json"),
    "Python, Arrow's JSON": consumer("arrow"),
    READS_ONLY: consumer("none"),
}
STREAMS = (OURS, YARDSTICK, YARDSTICK_OUR_START)  # who is compared where only Spark's streams can be


def chosen(names: Iterable[str], only: list[str] | None) -> list[str]:
    """Those that a word names, or else those with it in their name, whatever its case; all without a word. None at all
    ends the bench."""
    names = list(names)
    asked = {word.lower() for word in only or []}
    parts = asked - {name.lower() for name in names}
    found = [name for name in names if not only or name.lower() in asked or any(part in name.lower() for part in parts)]
    if not found:
        raise SystemExit(f"--only: a word of {'; '.join(names)}")
    return found


def words(text: str) -> list[str]:
    return text.split(",")


def at_least(least: int) -> Callable[[str], int]:
    """The type of a flag."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"{least} or more")
        return int(text)

    return number
