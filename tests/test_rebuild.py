"""A lost ledger is made again from the table, or the reason why not is said."""

from pathlib import Path

import duckdb
import pytest

from jobs import rebuild
from jobs.offsets import Start
from jobs.rows import ASIDE
from jobs.store import Local
from jobs.writer import Places, Unusable, Writer


@pytest.fixture
def places(folder):
    return Places(f"{folder}/table", f"{folder}/quarantine", f"{folder}/state")


def holds(root: str, name: str, *records: tuple[int, int]) -> None:
    """A file of a batch, with these partitions and offsets of topic t."""
    Local().replace(f"{root}/dt=2026-11-01/{name}", b"")
    rows = ", ".join(f"('t', {partition}, {offset}::BIGINT)" for partition, offset in records)
    query = f"SELECT * FROM (VALUES {rows}) AS r(_topic, _partition, _offset)"
    duckdb.execute(f"COPY ({query}) TO '{root}/dt=2026-11-01/{name}' (FORMAT parquet)")


def test_the_job_goes_on_behind_what_table_and_quarantine_hold(spark, places):
    holds(places.table, "000000000006-00000-0a1b2c3d.parquet", (0, 0), (0, 1), (1, 5))
    holds(places.table, "000000000007-00000-0a1b2c3d.parquet", (0, 3), (1, 6))
    holds(places.quarantine, "000000000007-00000-0a1b2c3d.parquet", (0, 2))
    holds(f"{places.state}/staging/driver-000000000008-1/table/_temporary", "part-00000.parquet", (0, 9))
    day = Path(places.table, "dt=2026-11-01")  # another --partition-by, from now on
    Path(day, "hr=00").mkdir()
    Path(day, "000000000007-00000-0a1b2c3d.parquet").rename(day / "hr=00" / "000000000007-00000-0a1b2c3d.parquet")
    assert rebuild.rebuilt(spark, places) == {"t": {0: 4, 1: 7}}
    driver = Writer(Local(), places, "app")
    driver.claim(lambda positions, ids: Start(positions=positions))
    assert (driver.seq, driver.positions) == (9, {"t": {0: 4, 1: 7}}), "the next batch is no older batch's namesake"
    with pytest.raises(Unusable, match="has a ledger"):
        rebuild.rebuilt(spark, places)


def test_missing_offsets_are_accepted_only_on_demand(spark, places):
    holds(places.table, "000000000001-00000-0a1b2c3d.parquet", (0, 0), (0, 1), (0, 4))
    with pytest.raises(Unusable, match="t-0: the table holds offsets 0 to 4, but 2 between them are missing"):
        rebuild.rebuilt(spark, places)
    assert rebuild.rebuilt(spark, places, accept_holes=True) == {"t": {0: 5}}


def test_what_is_staged_only_and_would_be_skipped_is_not(spark, places):
    """Of a batch that was committed and not wholly published; what nobody committed is read again, or is there."""
    holds(places.table, "000000000001-00000-0a1b2c3d.parquet", (0, 5), (0, 6), (1, 3))
    left = f"{places.state}/staging/driver-000000000001-1/table"
    holds(left, "part-00000.parquet", (0, 5), (1, 4), (2, 0))
    holds(f"{left}/_temporary", "part-00001.parquet", (0, 1))
    holds(left, "part-00002.parquet", (0, 4))
    holds(left, "part-00003.parquet", (0, 3))
    Path(left, f"dt={ASIDE}").mkdir()
    Path(left, "dt=2026-11-01/part-00003.parquet").rename(f"{left}/dt={ASIDE}/part-00003.parquet")
    with pytest.raises(Unusable, match=r"t-0: offset 4 is in .*/staging and not in the table, which holds later ones"):
        rebuild.rebuilt(spark, places, accept_holes=True)
    Path(left, "dt=2026-11-01/part-00002.parquet").unlink()
    assert rebuild.rebuilt(spark, places, accept_holes=True) == {"t": {0: 7, 1: 4}}


def test_a_record_that_is_there_twice_is_no_table_of_this_job(spark, places):
    holds(places.table, "000000000001-00000-0a1b2c3d.parquet", (0, 0), (0, 1))
    holds(places.quarantine, "000000000001-00000-0a1b2c3d.parquet", (0, 1))
    with pytest.raises(Unusable, match="t-0: the table holds offsets 0 to 1, 1 rows of them twice"):
        rebuild.rebuilt(spark, places)


def test_an_empty_table_needs_no_ledger(spark, places):
    with pytest.raises(Unusable, match="have no files"):
        rebuild.rebuilt(spark, places)
