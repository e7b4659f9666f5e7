"""One topic, the job that reads it, and the oracle that watches what comes out."""

from collections import defaultdict
from datetime import datetime, timezone
from pathlib import Path

from jobs import ledger
from jobs.offsets import size
from jobs.writer import PROBE
from tests.kit.broker import Broker
from tests.kit.events import Event
from tests.kit.faulty import Faulty
from tests.kit.job import Job
from tests.kit.oracle import Oracle
from tests.kit.s3 import S3Server

MARKED = "tests.kit.odd:marked"
START_MS, HOURS = 1_793_491_200_000, 6  # 2026-11-01


class Pipeline:
    """Keeps its own record of what was sent, so that the table is compared with that and not with Kafka."""

    def __init__(
        self, folder: Path, broker: Broker, s3: S3Server | None = None, transform=MARKED, partitions=3, create=True
    ):
        self.broker, self.topic, self.transform = broker, folder.name, transform
        if create:
            broker.create_topic(self.topic, partitions)
        self.partitions = partitions
        self.leaves_probes = isinstance(s3, Faulty)  # a request that was given up may come late
        self.table = f"s3://{s3.bucket}/{self.topic}" if s3 else str(folder / "table")
        self.quarantine, self.state = f"{self.table}_quarantine", f"{self.table}_state"
        self.sent: dict[tuple[str, int, int], Event] = {}
        self.next: dict[int, int] = defaultdict(int)
        self.oracle = Oracle(folder, self.table, self.quarantine, s3.client() if s3 else None)
        flags = ["--bootstrap-servers", broker.bootstrap, "--topics", self.topic, "--transform", transform]
        environment = s3.environment if s3 else None
        self.job = Job(folder, *flags, "--table", self.table, "--partition-by", "dt,hr", environment=environment)

    def send(self, count: int) -> None:
        """So many more events, one in twenty of them bad, spread over all partitions and six hours."""
        first = len(self.sent)
        self.send_events(
            [self._event(n, (n - first) * HOURS * 3_600_000 // count) for n in range(first, first + count)]
        )

    def _event(self, n: int, after_ms: int) -> Event:
        value, reason = {7: (b"\xff\x00 %d" % n, "no id"), 14: (None, "tombstone")}.get(n % 40, (b"id-%d" % n, None))
        return Event(b"key-%d" % n, value, [("n", b"%d" % n)], START_MS + after_ms, reason)

    def send_events(self, events: list[Event]) -> None:
        records = []
        for n, event in enumerate(events):
            partition = n % self.partitions
            self.sent[self.topic, partition, self.next[partition]] = event
            self.next[partition] += 1
            records.append((*event[:4], partition))
        self.broker.produce(self.topic, records)

    def assert_exact(self) -> None:
        """Every record that was sent is there once, where it belongs and unchanged, and the ledger says the same."""
        self.oracle.assert_exactly(self.sent)
        good = {key: event for key, event in self.sent.items() if event.reason is None}
        bad = {key: event for key, event in self.sent.items() if event.reason is not None}
        key = "_topic, _partition, _offset"
        table = {tuple(row[:3]): row[3:] for row in self.oracle.select("table", f"{key}, id, epoch_ms(_timestamp)")}
        assert table == {key: (event.value.decode(), event.timestamp_ms) for key, event in good.items()}
        columns = f"{key}, _key, _value, _headers, reason, transform, epoch_ms(_timestamp)"
        quarantine = {tuple(row[:3]): row[3:] for row in self.oracle.select("quarantine", columns)}
        assert quarantine == {
            key: (event.key, event.value, headers(event), event.reason, self.transform, event.timestamp_ms)
            for key, event in bad.items()
        }
        self.assert_each_lies_in_its_hour()
        self.assert_ledger_is_true()

    def assert_each_lies_in_its_hour(self) -> None:
        """The folders `dt=…` and `hr=…` of each row are those of its event's time."""
        for file, *key in self.oracle.rows("file, topic, part, pos"):
            at = datetime.fromtimestamp(self.sent[tuple(key)].timestamp_ms / 1000, timezone.utc)
            true = {"dt": f"{at:%Y-%m-%d}", "hr": f"{at:%H}"}
            folders = dict(folder.split("=") for folder in file.split("/")[:-1])
            assert "dt" in folders and folders == {name: true[name] for name in folders}, file

    def assert_ledger_is_true(self) -> None:
        """The ledger's files, rows and ranges are those of the folders, and what is staged is gone."""
        store, files, offsets, ends = self.oracle.store, {}, 0, {}
        held = defaultdict(list)
        extent = "min(pos), max(pos) + 1, count(*)"
        for root, file, topic, *rest in self.oracle.rows(f"root, file, topic, part, {extent}", "GROUP BY ALL"):
            held[root, file].append((topic, *rest))
        for batch in self.batches():
            offsets += size(batch.ranges)
            for topic, partitions in batch.ranges.items():
                for partition, (start, end) in partitions.items():
                    assert ends.get((topic, partition), start) == start, "a batch goes on where the last one ended"
                    ends[topic, partition] = end
            for root, of_root in (("table", batch.table_files), ("quarantine", batch.quarantine_files)):
                for file in of_root:
                    records = held[root, file.final]
                    assert sum(count for *_, count in records) == file.rows
                    for topic, partition, first, last, _ in records:
                        start, end = batch.ranges[topic][partition]
                        assert start <= first and last <= end, f"{file.final}: the records of another batch"
            assert batch.rows_in == batch.rows_written + batch.rows_rejected == size(batch.ranges) - batch.holes
            assert sum(file.rows for file in batch.table_files) == batch.rows_written
            assert sum(file.rows for file in batch.quarantine_files) == batch.rows_rejected
            files |= {f"{self.table}/{file.final}": file.bytes for file in batch.table_files}
            files |= {f"{self.quarantine}/{file.final}": file.bytes for file in batch.quarantine_files}
        roots = (self.table, self.quarantine)
        assert files == {f"{root}/{entry.name}": entry.bytes for root in roots for entry in store.files(root)}
        assert offsets == len(self.sent)
        staged = store.folders(f"{self.state}/staging")
        # Probes are swept away after an hour.
        assert [name for name in staged if not (self.leaves_probes and PROBE.search(name))] == []

    def staged(self) -> bool:
        """Whether a batch has files in staging."""
        files = self.oracle.store.files(f"{self.state}/staging")
        return any(not PROBE.search(entry.name.partition("/")[0]) for entry in files)

    def records(self) -> list[ledger.Record]:
        """Every record of the ledger, first to last."""
        numbers = [ledger.number(entry.name) for entry in self.oracle.store.files(f"{self.state}/ledger")]
        return [
            ledger.decoded(seq, self.oracle.store.read(f"{self.state}/ledger/{ledger.name(seq)}"))
            for seq in numbers
            if seq is not None
        ]

    def batches(self) -> list[ledger.Batch]:
        return [record for record in self.records() if isinstance(record, ledger.Batch)]


def headers(event: Event) -> list[dict]:
    return [{"key": name, "value": value} for name, value in event.headers]
