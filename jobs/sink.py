"""The sink: a micro-batch is staged by Spark, checked, committed to the ledger, and published."""

import dataclasses
import math
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count, repeat
from typing import NamedTuple

from pyspark.sql import DataFrame, SparkSession

from jobs import hadoop, offsets
from jobs.brokers import Brokers
from jobs.ledger import Batch, File
from jobs.offsets import Ids, OutOfStep, Ranges
from jobs.rows import ASIDE, SET_ASIDE, beyond, folded, observed, packed, unfolded, unpacked, watched
from jobs.settings import Settings
from jobs.store import REQUESTS_AT_ONCE, Entry
from jobs.writer import Writer
from transforms.envelope import EVENT_TIME, PROVENANCE, RAW, REJECT
from transforms.schema import quoted

ROOTS = ("table", "quarantine")
ROWS_THAT_TELL = 1_000  # fewer in a batch's files, and much of their weight is footers
ROWS_WORTH_A_TASK = 250_000  # fewer don't repay a second task's file: with one for 50,000 no batch took less time
SMALLEST_SHARE = 1 / 32  # of the target size: smaller files cost readers more than another core is worth
ROWS_THAT_FILL_A_DICTIONARY = 100_000


class Weight(NamedTuple):
    """What a row weighs in a file, how many partition values a batch has, and the largest one's share of its bytes; a
    guess until one could tell."""

    row_bytes: float = 100.0
    values: int = 1
    largest: float = 1.0


class Stopped(Exception):
    """The job was asked to end, so this batch was not begun."""


@dataclasses.dataclass
class Report:
    """What one batch did, and where its seconds went. `batch` is empty when the table held all of it already."""

    batch_id: int
    batch: Batch | None = None
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)
    retries: int = 0  # requests to the store that had to be sent again since the last batch
    warning: str | None = None

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        begin = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - begin, 3)


class Sink:
    """For `foreachBatch`. What stops a batch stays in `failure`: Spark passes on its text only."""

    def __init__(self, writer: Writer, fingerprint: str, settings: Settings, plan: hadoop.OffsetLog, brokers: Brokers):
        self.writer = writer
        self.fingerprint = fingerprint
        self.settings = settings
        self.folded = ",".join(settings.partition_by)
        self.plan = plan
        self.brokers = brokers
        self.weights = dict.fromkeys(ROOTS, Weight())
        self.outgrown: set[str] | None = None  # the columns without a dictionary, once a file has told
        self.stopping = False
        self.at_work = False
        self.has_written = False
        self.failure: Exception | None = None
        self.reports: dict[int, Report] = {}

    def __call__(self, frame: DataFrame, batch_id: int) -> None:
        self.at_work = True
        try:
            if self.stopping:
                raise Stopped
            planned = self.plan.ranges(batch_id)
            self.reports[batch_id] = report = self._ingest(frame, batch_id, planned)
            report.warning = self._tell_group(planned)
        except Exception as failure:
            self.failure = failure
            raise
        finally:
            self.at_work = False

    def _ingest(self, frame: DataFrame, batch_id: int, planned: Ranges) -> Report:
        report = Report(batch_id)
        ranges = offsets.remaining(planned, self.writer.positions)
        if not ranges:
            return report
        if offsets.size(ranges) != offsets.size(planned):
            frame = frame.where(beyond(self.writer.positions))  # a replay brings again what is there
        staging = self.writer.staging()
        size = self.plan.size(ranges)
        try:
            with report.phase("stage"):
                counts = self._stage(frame, size, staging)
            with report.phase("check"), ThreadPoolExecutor(1) as beside:
                asked = beside.submit(self._ids, ranges)
                files = self._files(staging)
                check(counts, files, size)
                self._learn(frame.sparkSession, files["table"])
                ids = asked.result()
        except Exception:
            self.writer.look()  # who takes over removes what others have staged
            raise
        with report.phase("commit"):
            report.batch = self.writer.commit(
                ids=ids,
                query=frame.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId") or "",
                batch_id=batch_id,
                staging=staging,
                ranges=ranges,
                table_files=files["table"],
                quarantine_files=files["quarantine"],
                rows_in=counts["in"],
                rows_written=counts["in"] - counts["rejected"],
                rows_rejected=counts["rejected"],
                holes=size - counts["in"],
                transform=self.settings.transform,
                fingerprint=self.fingerprint,
            )
        with report.phase("publish"):
            self.writer.publish(report.batch)
        report.retries = self.writer.store.sent_again()
        self.has_written = True
        return report

    def _stage(self, rows: DataFrame, size: int, staging: str) -> dict[str, int]:
        """Writes the batch below `staging`; its rows in all, and how many of them were rejected.

        Rejected records are first set aside in a folder among the table's, so that Kafka is read once.
        """
        self._weigh()
        counted, seen = watched(rows.coalesce(self._tasks(rows, size, self.weights["table"])))
        self._write(self._to_stage(counted), f"{staging}/table", self.folded, self.weights["table"])
        counts = observed(seen)
        if counts["rejected"]:
            aside = self._aside(rows.sparkSession, f"{staging}/table/{self.folded}={ASIDE}")
            weight = self.weights["quarantine"]
            rejected = unpacked(aside, self.settings.transform).coalesce(self._tasks(rows, counts["rejected"], weight))
            self._write(rejected, f"{staging}/quarantine", "dt", weight)
        return counts

    def _to_stage(self, rows: DataFrame) -> DataFrame:
        not_data = {*PROVENANCE, *RAW, REJECT, EVENT_TIME, *self.settings.partition_by}
        own = [quoted(column) for column in rows.columns if column not in not_data]
        return rows.selectExpr(*own, packed(), *PROVENANCE[1:], folded(self.settings.partition_by))

    def _aside(self, spark: SparkSession, folder: str) -> DataFrame:
        return spark.read.schema(SET_ASIDE).parquet(f"{hadoop.uri(self.settings.state)}/{folder}")

    def _tasks(self, frame: DataFrame, size: int, weight: Weight) -> int:
        """So many that files come near their target size, or keep the cores busy without being small.

        Each task writes a file of each partition value, of which there are taken to be as many as in the last batch.
        For the cores the largest one counts: where an hour ends, a batch has a few rows of the next.
        """
        targets = size * weight.row_bytes / self.settings.target_file_size
        cores = frame.sparkSession.sparkContext.defaultParallelism
        by_cores = min(math.ceil(size / ROWS_WORTH_A_TASK), cores, int(targets * weight.largest / SMALLEST_SHARE))
        return max(math.ceil(targets / weight.values), by_cores, 1)

    def _weigh(self) -> None:
        """The last batch, if it can tell."""
        if last := self.writer.last_batch:
            for root, files in zip(ROOTS, (last.table_files, last.quarantine_files), strict=True):
                rows = sum(file.rows for file in files)
                if rows >= ROWS_THAT_TELL:
                    values: Counter[str] = Counter()
                    for file in files:
                        values[file.final.rpartition("/")[0]] += file.bytes
                    self.weights[root] = Weight(
                        values.total() / rows, len(values), max(values.values()) / values.total()
                    )

    def _write(self, rows: DataFrame, folder: str, partition_by: str, weight: Weight) -> None:
        """A task's file of one partition value is cut where it comes to the target size."""
        writer = rows.write.partitionBy(partition_by).mode("append")
        most = max(int(self.settings.target_file_size / weight.row_bytes), 1)
        for column in self.outgrown or ():
            writer.option(f"parquet.enable.dictionary#{column}", "false")
        writer.option("maxRecordsPerFile", most).parquet(f"{hadoop.uri(self.settings.state)}/{folder}")

    def _files(self, staging: str) -> dict[str, tuple[File, ...]]:
        """The staged files of each root, weighed, counted and given their names for ever."""
        found: dict[str, list[Entry]] = {root: [] for root in ROOTS}
        for entry in self.writer.store.files(f"{self.settings.state}/{staging}"):
            root, _, name = entry.name.partition("/")
            if not name.startswith(("_", f"{self.folded}={ASIDE}")):  # a straggler's half file, what was set aside
                found[root].append(Entry(name, entry.bytes))
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            return {
                root: tuple(pool.map(self._file, repeat(f"{staging}/{root}"), count(), entries))
                for root, entries in found.items()
            }

    def _file(self, folder: str, n: int, entry: Entry) -> File:
        return File(
            staged=f"{folder}/{entry.name}",
            final=self.writer.final(unfolded(entry.name.rpartition("/")[0]), n),
            bytes=entry.bytes,
            rows=hadoop.rows(self.plan.spark, f"{hadoop.uri(self.settings.state)}/{folder}/{entry.name}"),
        )

    def _learn(self, spark: SparkSession, files: tuple[File, ...]) -> None:
        """The first large file tells for which columns a dictionary is begun in vain: a tenth of a batch's CPU time."""
        largest = max(files, key=lambda file: file.rows, default=None)
        if self.outgrown is None and largest and largest.rows >= ROWS_THAT_FILL_A_DICTIONARY:
            self.outgrown = hadoop.outgrown(spark, f"{hadoop.uri(self.settings.state)}/{largest.staged}")

    def _ids(self, ranges: Ranges) -> Ids:
        """The ids of the topics that were read; raises `OutOfStep` when one is another topic than it was before.

        Spark would read on in it at the old offsets, so it is looked at after every read.
        """
        ids = self.brokers.ids(ranges)
        changed = offsets.changed(self.writer.ids, ids)
        if changed:
            raise OutOfStep(f"{', '.join(changed)}: deleted and created again while it was read")
        return ids

    def _tell_group(self, planned: Ranges) -> str | None:
        """What went wrong when the consumer group was told of a batch: it is published, and no worse for that."""
        if not self.settings.consumer_group:
            return None
        try:
            _, ends = offsets.edges(planned)
            self.brokers.commit(self.settings.consumer_group, ends)
        except Exception as error:
            return f"--consumer-group {self.settings.consumer_group} was not told: {error}"
        return None


def check(counts: dict[str, int], files: dict[str, tuple[File, ...]], size: int) -> None:
    """Every record that came in is in exactly one staged row; raises `OSError` otherwise."""
    staged = {root: sum(file.rows for file in found) for root, found in files.items()}
    expected = {"table": counts["in"] - counts["rejected"], "quarantine": counts["rejected"]}
    if staged != expected or counts["in"] > size:
        raise OSError(f"rows staged: {staged}, rows counted: {expected}, offsets: {size}; the batch is not committed")
