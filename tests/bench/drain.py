"""The same events through the job and through what else one might use, side by side.

Each contender drains a topic and another of a tenth of it, so that what starting costs can be told from what a record
costs. DuckDB counts what came out, good and bad, and adds up a column; a contender whose rows are wrong is told as
WRONG, and the exit code is 1.
"""

import argparse
import re
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import duckdb

from emr.local import LINE
from tests.bench.contenders import CONTENDERS, OURS_BROKEN, READS_ONLY, YARDSTICK, Work, at_least, chosen, words
from tests.bench.measured import Measured, measured
from tests.bench.place import Place
from tests.kit.broker import Broker
from tests.kit.events import Event, access_log_events
from tests.kit.s3 import S3Server

PARTITIONS = 8
SHARE = 10  # the small topic has a tenth
BROKEN = 0.005  # as producers are
BYTES = re.compile(rb'"bytes":(\d+)')
PICTURE = "bench.png"


class Result(NamedTuple):
    """Medians over the rounds: seconds, CPU seconds for a million records, rows a second, bytes; files of the last."""

    wall: float
    cpu: float
    cpu_per_record: float  # without what starting costs
    warm: float | None
    peak: float
    files: int
    bytes: int
    small_wall: float
    small_cpu: float
    wrong: str


@dataclass
class Sent:
    """What a topic holds: events by their worth, and the sum of `bytes` in the good ones."""

    good: int = 0
    bad: int = 0
    bytes: int = 0

    @property
    def records(self) -> int:
        return self.good + self.bad

    def noted(self, event: Event) -> Event:
        if event.reason:
            self.bad += 1
        else:
            self.good += 1
            self.bytes += int(BYTES.search(event.value)[1])
        return event


class Run(NamedTuple):
    """One contender's two drains in one round, what is wrong with its rows, and what it left of the large topic."""

    large: Measured
    small: Measured
    wrong: str
    files: int
    bytes: int


def main(argv: list[str]) -> int:
    asked = arguments(argv)
    names = chosen([name for name in CONTENDERS if asked.store == "local" or not name.startswith("Python")], asked.only)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory(prefix="floodmark-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        broker = stack.enter_context(Broker(folder / "broker"))
        s3 = stack.enter_context(S3Server(folder)) if asked.store == "s3" else None
        sizes, sent = {"large": asked.rows, "small": asked.rows // SHARE}, {}
        shares = {"": 0.0, **({"broken-": BROKEN} if OURS_BROKEN in names else {})}
        for prefix, share in shares.items():
            for size, rows in sizes.items():
                broker.create_topic(prefix + size, PARTITIONS)
                sent[prefix + size] = Sent()
                events = map(sent[prefix + size].noted, access_log_events(rows, seed=1, broken=share))
                broker.produce(prefix + size, ((*event[:4], None) for event in events))
                # Who reads a topic first may read it from the disk.
                first = CONTENDERS[READS_ONLY](Work(broker.bootstrap, prefix + size, ""))
                measured(first, folder / "first.log")
        for turn in range(asked.runs):
            order = [*names[turn % len(names) :], *names[: turn % len(names)]]
            for number, name in enumerate(order):
                print(f"== round {turn + 1}: {name}", flush=True)
                runs[name].append(drained(name, broker, sent, Place(folder / f"{turn}-{number}", s3)))
    results = {name: result(taken, asked.rows) for name, taken in runs.items()}
    print(table(results, asked))
    from tests.bench import chart  # only the bench installs what it draws with

    chart.drawn(results, Path(PICTURE))
    return verdict(results)


def verdict(results: dict[str, Result]) -> int:
    """The exit code; names who is wrong."""
    wrong = {name: found.wrong for name, found in results.items() if found.wrong}
    for name, why in wrong.items():
        print(f"WRONG: {name}: {why}")
    return 1 if wrong else 0


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench drain", allow_abbrev=False)
    parser.add_argument("--rows", type=at_least(SHARE), default=2_000_000, help="of the large topic")
    parser.add_argument("--runs", type=at_least(1), default=1, help="rounds; with several the medians are shown")
    parser.add_argument("--only", type=words, help="contenders with one of these in their name")
    parser.add_argument("--store", choices=("local", "s3"), default="local", help="s3: a stand-in; Spark's only")
    return parser.parse_args(argv)


def drained(name: str, broker: Broker, sent: dict[str, Sent], place: Place) -> Run:
    """The contender drains both topics, the small one first; what it left in the large one's table."""
    taken, wrong = {}, ""
    for size in ("small", "large"):
        topic = f"broken-{size}" if name == OURS_BROKEN else size
        start = CONTENDERS[name](Work(broker.bootstrap, topic, place.table(size), store=place.environment))
        taken[size] = measured(start, place.folder / f"{size}.log")
        if name == READS_ONLY:
            rows = sum(line["rows_in"] for _, line in taken[size].batches)
            wrong = wrong or ("" if rows == sent[topic].records else f"{rows:,} records of {sent[topic].records:,}")
        else:
            wrong = wrong or miscounted(place.fetched(size), sent[topic])
    files = place.files("large")
    return Run(taken["large"], taken["small"], wrong, len(files), sum(file.stat().st_size for file in files))


def miscounted(table: Path, sent: Sent) -> str:
    """What is wrong with table and quarantine: rows that are missing, there twice, in the other place, or misread."""
    there = [root for root in (table, Path(f"{table}_quarantine")) if next(root.rglob("*.parquet"), None)]
    if table not in there:
        return f"{sent.good:,} good records sent, no file"
    good = "count(*), count(ts), count(DISTINCT event_id), sum(bytes)"
    every = "count(*), count(DISTINCT (_topic, _partition, _offset))"
    found = (*asked_of([table], good), *asked_of(there, every))
    due = {
        "good rows": sent.good, "times": sent.good, "different ids": sent.good, "bytes in all": sent.bytes,
        "rows": sent.records, "different records": sent.records,
    }  # fmt: skip
    wrong = {what: number for what, number in zip(due, found, strict=True) if number != due[what]}
    return ", ".join(f"{number} {what} of {due[what]}" for what, number in wrong.items())


def asked_of(roots: list[Path], what: str) -> tuple:
    places = [f"{root}/**/*.parquet" for root in roots]
    return duckdb.execute(f"SELECT {what} FROM read_parquet({places}, union_by_name = true)").fetchone()


def result(taken: Sequence[Run], rows: int) -> Result:
    def median(of) -> float:
        return statistics.median(map(of, taken))

    million, more = rows / 1e6, (rows - rows // SHARE) / 1e6
    warm = [run.large.warm for run in taken if run.large.warm]
    return Result(
        wall=median(lambda run: run.large.wall),
        cpu=median(lambda run: run.large.cpu / million),
        cpu_per_record=median(lambda run: (run.large.cpu - run.small.cpu) / more),
        warm=statistics.median(warm) if warm else None,
        peak=median(lambda run: run.large.peak),
        files=taken[-1].files,
        bytes=taken[-1].bytes,
        small_wall=median(lambda run: run.small.wall),
        small_cpu=median(lambda run: run.small.cpu),
        wrong=next((run.wrong for run in taken if run.wrong), ""),
    )


def table(results: dict[str, Result], asked: argparse.Namespace) -> str:
    """As Markdown; ratios are to Spark's own file sink, if that ran."""
    small, yard = f"{asked.rows // SHARE:,}", results.get(YARDSTICK)
    lines = [
        f"Spark {LINE}, {asked.rows:,} records, median of {asked.runs}; behind a figure its ratio to {YARDSTICK}\n",
        "| | wall s | CPU s a million | without start | rows/s behind the first batch | peak MiB | files | MiB "
        f"| {small}: wall s | CPU s |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, found in results.items():

        def cell(field: str, form: str = ".1f", found: Result = found) -> str:
            value, other = getattr(found, field), yard and getattr(yard, field)
            if value is None:
                return ""
            return f"{value:{form}}" + (f" ({value / other:.2f})" if other and found is not yard else "")

        shown = [cell("wall"), cell("cpu"), cell("cpu_per_record"), cell("warm", ",.0f"), f"{found.peak / 2**20:,.0f}"]
        shown += [str(found.files), f"{found.bytes / 2**20:,.0f}", cell("small_wall"), cell("small_cpu")]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return "\n".join(lines)
