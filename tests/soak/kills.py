"""Random kills: the job dies again and again at any moment, while events arrive and a reader looks on."""

import random
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

import duckdb

from tests.kit.broker import Broker
from tests.kit.job import Job, kill
from tests.kit.oracle import unread
from tests.kit.pipeline import Pipeline
from tests.kit.s3 import S3Server

TICK = 0.05  # seconds between two looks at a running job
# A job dies while it starts (which takes as long as the slowest start did), while it writes its first batch, or later:
# each as often, and so long after at the latest.
STARTING_S, WRITING_S, LATER_S = 8.0, 2.0, 4.0
CHUNK, PAUSE_S = 500, (0.2, 2.0)  # so many records arrive at once, more if they are late, and the next so long after
UNDER_KILLS = 0.5  # of the records at least so many are read before the last kill
PATIENCE_S = 300


def at_once() -> bool:
    return True


class Evidence(NamedTuple):
    kills: int
    mid_batch: int  # of the kills, those that left files of this life staged
    rows: int
    under_kills: int  # of the rows, those that a reader saw before the last kill
    lost: int
    duplicated: int
    samples: int
    recovery_s: float  # the longest from a kill until a reader saw something new
    violations: list[str]  # the first things that a reader saw and that may not be
    wrong: list[str]


def run(store: str, seed: int, kills: int, records: int, stock: str = "") -> Evidence:
    """One run with kills; with `stock`, of Spark's own `sink` or of plain `append` in the place of the job."""
    with tempfile.TemporaryDirectory(prefix="floodmark-soak-") as name, ExitStack() as stack:
        folder = Path(name) / f"soak-{seed}"
        folder.mkdir()
        broker = stack.enter_context(Broker(folder / "broker"))
        s3 = stack.enter_context(S3Server(folder)) if store == "s3" else None
        pipeline = Pipeline(folder, broker, s3)
        pipeline.leaves_probes = True  # a driver that is killed while it starts leaves what it tried
        soak = Stock(pipeline, seed, kills, records, stock) if stock else Soak(pipeline, seed, kills, records)
        return soak.run()


class Soak:
    script: tuple[str, ...] = ("jobs/ingest.py",)

    def __init__(self, pipeline: Pipeline, seed: int, kills: int, records: int):
        self.pipeline, self.kills, self.records = pipeline, kills, records
        self.chance, self.pauses = random.Random(seed), random.Random(-seed)
        self.died = 0
        self.mid_batch = 0
        self.under_kills = 0
        self.starting_s = STARTING_S
        self.recoveries: list[float] = []
        self.dead_since: float | None = None
        self.files = 0

    def run(self) -> Evidence:
        over = threading.Event()
        wrong: list[str] = []
        with ThreadPoolExecutor(1) as beside:
            arrivals = beside.submit(self._arrive, over)
            try:
                with self.pipeline.oracle.watch():
                    while self.died < self.kills and not wrong:
                        wrong += self._live()
                    self.under_kills = len(self.pipeline.oracle.records())
                    over.set()
                    arrivals.result()
                    if not wrong and not self._drained():
                        wrong.append(f"the last run ended badly: {self.pipeline.job.said()[-2000:]}")
            finally:
                over.set()
        return self._judged(wrong)

    def _drained(self) -> bool:
        return self.pipeline.job.run("--trigger", "available-now", script=self.script) == 0

    def _arrive(self, over: threading.Event) -> None:
        """Records in step with the kills, a few at a time; all that are left when these are over."""
        while not over.is_set():
            due = self.records * (self.died + 1) // (self.kills + 1)
            if late := due - len(self.pipeline.sent):
                self.pipeline.send(min(max(CHUNK, late // 4), late))
            over.wait(self.pauses.uniform(*PAUSE_S))
        if left := self.records - len(self.pipeline.sent):
            self.pipeline.send(left)

    def _live(self) -> list[str]:
        """One life of the job, from its start to a kill; what was wrong with it."""
        job = self.pipeline.job
        position = job.log.stat().st_size if job.log.exists() else 0
        begin = time.monotonic()
        process = job.start("--trigger", "0s", "--max-records", "10000", script=self.script)
        try:
            moment, seconds = self.chance.choice(self._moments(position))
            if moment is not at_once and self._watch(process, partial(self._started, position), PATIENCE_S):
                self.starting_s = max(self.starting_s, time.monotonic() - begin)
            if self._watch(process, moment, PATIENCE_S):
                self._watch(process, lambda: False, self.chance.uniform(0, seconds))
            elif process.poll() is None:
                return [f"nothing came of it: {job.said()[-2000:]}"]
            if process.poll() is not None:
                return [f"it ended by itself, with {process.returncode}: {job.said()[-2000:]}"]
        finally:
            kill(process)
        self.died += 1
        self.mid_batch += self._started(position) and self.pipeline.staged()  # it began with none
        if self.dead_since is None:
            self.dead_since, self.files = time.monotonic(), len(self.pipeline.oracle.seen)
        return []

    def _moments(self, position: int) -> list[tuple[Callable[[], bool], float]]:
        """From when on a life may end, and for how many seconds more at the most it lasts."""
        said = partial(said_since, self.pipeline.job, position)
        return [
            (at_once, self.starting_s),
            (lambda: self._started(position) and self.pipeline.staged(), WRITING_S),
            (lambda: '{"batch"' in said(), LATER_S),
        ]

    def _started(self, position: int) -> bool:
        return "started" in said_since(self.pipeline.job, position)

    def _watch(self, process, true: Callable[[], bool], patience: float) -> bool:
        """Whether it became `true` before the job ended or the time was over."""
        end = time.monotonic() + patience
        while time.monotonic() < end and process.poll() is None:
            if self.dead_since is not None and len(self.pipeline.oracle.seen) > self.files:
                self.recoveries.append(time.monotonic() - self.dead_since)
                self.dead_since = None
            if true():
                return True
            time.sleep(TICK)
        return False

    def _judged(self, wrong: list[str]) -> Evidence:
        """What the oracle saw, and whether the rows and the ledger are true to the byte."""
        pipeline = self.pipeline
        pipeline.oracle.look()
        found = pipeline.oracle.records()
        ((rows,),) = pipeline.oracle.rows("count(*)")
        violations = pipeline.oracle.violations[:5]
        wrong = wrong + violations
        if not wrong:
            try:
                pipeline.assert_exact()
            except (AssertionError, duckdb.Error) as error:
                wrong.append(str(error)[:2000])
        if not wrong and self.under_kills < UNDER_KILLS * self.records:
            wrong.append(f"only {self.under_kills} records were read before the last kill")
        return Evidence(
            kills=self.died,
            mid_batch=self.mid_batch,
            rows=rows,
            under_kills=self.under_kills,
            lost=len(pipeline.sent.keys() - found),
            duplicated=rows - len(found),
            samples=pipeline.oracle.samples,
            recovery_s=round(max(self.recoveries, default=0), 1),
            violations=violations,
            wrong=wrong,
        )


class Stock(Soak):
    """The same without the job's sink: it is killed when a reader has just seen a file or rows of it."""

    def __init__(self, pipeline: Pipeline, seed: int, kills: int, records: int, kind: str):
        super().__init__(pipeline, seed, kills, records)
        self.script = ("tests/soak/stock.py", kind)
        pipeline.oracle.passes_over = unread  # what Spark appends lies below `_temporary` first

    def _drained(self) -> bool:
        """Started again after a batch that was pending, Spark 4.1 may die of a null in the progress of that batch."""
        return any(super(Stock, self)._drained() for _ in range(3))

    def _moments(self, position: int) -> list[tuple[Callable[[], bool], float]]:
        oracle = self.pipeline.oracle
        files, rows = len(oracle.seen), oracle.rows("count(*)")
        return [(lambda: len(oracle.seen) > files, 0.2), (lambda: oracle.rows("count(*)") > rows, 0.2)]


def said_since(job: Job, position: int) -> str:
    """What the job has said behind that place in its log."""
    with job.log.open(errors="replace") as log:
        log.seek(position)
        return log.read()
