"""How long after its Kafka timestamp a record can be read from the table, while events arrive steadily."""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import duckdb
from confluent_kafka import Producer

from emr.local import LINE
from tests.bench.contenders import CONTENDERS, STREAMS, Work, at_least, chosen, words
from tests.bench.measured import Running
from tests.kit.broker import Broker
from tests.kit.events import access_log_events
from tests.kit.topics import PRODUCER

PARTITIONS = 8
WARM_UP = 1_000  # records that are there before
RATE = 1_000  # a second
AT_ONCE = 10
LEFT_OUT_S = 10
LOOK_EVERY_S = 0.02
CASES = {f"{name}, every {seconds} s": (name, seconds) for name in STREAMS for seconds in (0, 10)}


class Latency(NamedTuple):
    """Seconds, of `counted` records; `rows` are all that were readable."""

    rows: int
    counted: int
    p50: float
    p99: float
    longest: float


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench latency", allow_abbrev=False)
    parser.add_argument("--seconds", type=at_least(LEFT_OUT_S + 1), default=120)
    parser.add_argument("--only", type=words)
    asked = parser.parse_args(argv)
    found, sent = {}, WARM_UP + RATE * asked.seconds
    with tempfile.TemporaryDirectory(prefix="floodmark-bench-") as folder, Broker(Path(folder) / "broker") as broker:
        for number, name in enumerate(chosen(CASES, asked.only)):
            print(f"== {name}", flush=True)
            found[name] = followed(*CASES[name], broker, f"latency-{number}", Path(folder), asked.seconds)
    print(f"\nSpark {LINE}, {RATE:,} records a second for {asked.seconds} s: from Kafka's timestamp until a reader,")
    print(f"who lists every {1000 * LOOK_EVERY_S:.0f} ms, can read it; without the first {LEFT_OUT_S} s\n")
    print("| | p50 s | p99 s | longest s | records |\n|---|---|---|---|---|")
    for name, of in found.items():
        print(f"| {name} | {of.p50:.2f} | {of.p99:.2f} | {of.longest:.2f} | {of.counted:,} |")
    wrong = {name: of.rows for name, of in found.items() if of.rows != sent}
    for name, rows in wrong.items():
        print(f"WRONG: {name}: {sent:,} sent, {rows:,} rows")
    return 1 if wrong else 0


def followed(name: str, trigger: int, broker: Broker, topic: str, folder: Path, seconds: int) -> Latency:
    """The contender runs before the events come, and has made its first batch."""
    broker.create_topic(topic, PARTITIONS)
    broker.produce(topic, ((*event[:3], None, None) for event in access_log_events(WARM_UP, seed=1, broken=0)))
    table = folder / topic
    start = CONTENDERS[name](Work(broker.bootstrap, topic, str(table), trigger=trigger))
    with Running(start, folder / f"{topic}.log") as run:
        run.await_rows(WARM_UP)
        with Reader(table) as reader:
            begin = time.time()
            produce(broker.bootstrap, topic, seconds)
            run.await_rows(WARM_UP + RATE * seconds)
            time.sleep(1)
    return latency(reader.since, begin + LEFT_OUT_S)


def produce(bootstrap: str, topic: str, seconds: int) -> None:
    """Events of now, at the rate, a few at a time."""
    producer = Producer(PRODUCER | {"bootstrap.servers": bootstrap})
    now, begin = datetime.now(timezone.utc), time.monotonic()
    events = access_log_events(RATE * seconds, seed=2, broken=0, start=now, hours=seconds / 3600)
    for number, event in enumerate(events):
        if number % AT_ONCE == 0:
            producer.poll(0)
            time.sleep(max(begin + number / RATE - time.monotonic(), 0))
        moment = int(1000 * time.time())
        producer.produce(topic, event.value, event.key, headers=event.headers, timestamp=moment)
    producer.flush(60)


class Reader:
    """Lists a table again and again while its `with` runs; `since` tells when each file could first be read."""

    def __init__(self, table: Path):
        self.table = table
        self.since: dict[str, float] = {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look)

    def __enter__(self) -> "Reader":
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.thread.join()

    def _look(self) -> None:
        while not self.over.wait(LOOK_EVERY_S):
            for file in listed(self.table):
                if file not in self.since and whole(file):
                    self.since[file] = time.time()


def listed(folder: Path | str) -> Iterator[str]:
    """The Parquet files that engines look at."""
    for entry in os.scandir(folder):
        if entry.name.startswith(("_", ".")):
            continue
        if entry.is_dir():
            yield from listed(entry.path)
        elif entry.name.endswith(".parquet"):
            yield entry.path


def whole(file: str) -> bool:
    """Whether its last bytes are a Parquet file's: Spark's sink writes where readers look."""
    with open(file, "rb") as opened:
        opened.seek(0, os.SEEK_END)
        if opened.tell() < 12:
            return False
        opened.seek(-4, os.SEEK_END)
        return opened.read() == b"PAR1"


def latency(since: Mapping[str, float], begin: float) -> Latency:
    """Of the records with a timestamp of `begin` or later."""
    late = "moment - epoch_ms(_timestamp) / 1000.0"
    shown = f"count(*), quantile_cont({late}, 0.5), quantile_cont({late}, 0.99), max({late})"
    db = duckdb.connect()
    db.execute("CREATE TABLE since (filename TEXT, moment DOUBLE)")
    db.executemany("INSERT INTO since VALUES (?, ?)", [*since.items()])
    rows = f"read_parquet({[*since]}, filename = true, union_by_name = true)"
    (total,) = db.execute(f"SELECT count(*) FROM {rows}").fetchone()
    found = f"SELECT {shown} FROM {rows} JOIN since USING (filename) WHERE epoch_ms(_timestamp) / 1000.0 >= ?"
    return Latency(total, *db.execute(found, [begin]).fetchone())
