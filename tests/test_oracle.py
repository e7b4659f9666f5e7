"""The oracle that the crash tests rest on: it sees each of the wrongs that it is there for."""

import os

import duckdb
import pytest

from tests.kit.oracle import Oracle

KEY = {("t", 0, n) for n in range(3)}


def write(file, *offsets: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = ", ".join(f"('t', 0, {offset})" for offset in offsets)
    duckdb.execute(
        f"COPY (SELECT * FROM (VALUES {rows}) AS r(_topic, _partition, _offset)) TO '{file}' (FORMAT parquet)"
    )


@pytest.fixture
def table(tmp_path):
    write(tmp_path / "table" / "dt=1" / "a.parquet", 0, 1)
    return tmp_path / "table"


def wronged(table, wrong) -> list[str]:
    oracle = Oracle(table.parent, str(table), f"{table}_quarantine")
    oracle.look()
    assert not oracle.violations
    wrong()
    oracle.look()
    return oracle.violations


def test_a_table_that_only_grows_is_right(table):
    assert not wronged(table, lambda: write(table / "dt=1" / "b.parquet", 2))
    oracle = Oracle(table.parent, str(table), f"{table}_quarantine")
    oracle.assert_exactly(KEY)
    with pytest.raises(AssertionError, match="1 lost"):
        oracle.assert_exactly(KEY | {("t", 0, 3)})
    with pytest.raises(AssertionError, match="1 rows of nothing"):
        oracle.assert_exactly(KEY - {("t", 0, 2)})


def test_a_row_that_is_there_twice_is_seen_also_across_table_and_quarantine(table):
    assert "twice" in wronged(table, lambda: write(table / "dt=1" / "b.parquet", 1, 2))[0]
    (table / "dt=1" / "b.parquet").unlink()
    other = table.with_name("table_quarantine") / "dt=1" / "c.parquet"
    assert "twice" in wronged(table, lambda: write(other, 0))[0]


def test_a_file_that_vanishes_changes_or_is_half_there_is_seen(table):
    a, b = (table / "dt=1" / name for name in ("a.parquet", "b.parquet"))
    assert "can't be read" in wronged(table, lambda: b.write_bytes(a.read_bytes()[:-9]))[0]
    b.unlink()
    assert "changed" in wronged(table, lambda: os.utime(a, ns=(1, 1)))[0]
    assert "vanished" in wronged(table, a.unlink)[0]
