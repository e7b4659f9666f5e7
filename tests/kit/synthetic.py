"""A driver of the job's own `Writer` on a real store; it makes up what Spark would stage, a file a batch."""

from pathlib import Path

import duckdb

from jobs.ledger import Batch, File
from jobs.offsets import Start
from jobs.store import Store
from jobs.writer import Places, Writer

ROWS = 3  # of each batch


class Synthetic:
    """Its topic `t` has one partition, whose records never end."""

    def __init__(self, store: Store, table: str, scratch: Path):
        self.writer = Writer(store, Places(table, f"{table}_quarantine", f"{table}_state"), "synthetic")
        self.scratch = scratch  # a file of its own

    @property
    def end(self) -> int:
        """The records before this one are in the table."""
        return self.writer.positions["t"][0]

    def claim(self) -> None:
        self.writer.claim(lambda positions, _: Start(positions=positions or {"t": {0: 0}}))

    def batch(self) -> None:
        self.writer.publish(self._committed())

    def _committed(self) -> Batch:
        staging, begin = self.writer.staging(), self.end
        rows = f"SELECT 't' AS _topic, 0 AS _partition, unnest(range({begin}, {begin + ROWS})) AS _offset"
        with duckdb.connect() as db:
            db.execute(f"COPY ({rows}) TO '{self.scratch}' (FORMAT parquet)")
        data = self.scratch.read_bytes()
        staged, final = f"{staging}/table/dt=1/part.parquet", self.writer.final("dt=1", 0)
        self.writer.store.replace(f"{self.writer.places.state}/{staged}", data)
        return self.writer.commit(
            ids={}, query="q", batch_id=0, staging=staging, ranges={"t": {0: (begin, begin + ROWS)}},
            table_files=(File(staged=staged, final=final, bytes=len(data), rows=ROWS),), quarantine_files=(),
            rows_in=ROWS, rows_written=ROWS, rows_rejected=0, holes=0, transform="t", fingerprint="f",
        )  # fmt: skip
