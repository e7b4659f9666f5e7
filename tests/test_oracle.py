"""The oracle that the crash tests rest on: it sees each of the wrongs that it is there for, on either store."""

import duckdb
import pytest

from jobs.store import S3, Local
from tests.kit.oracle import Oracle

KEY = {("t", 0, n) for n in range(3)}
A, B = "dt=1/a.parquet", "dt=1/b.parquet"


class Table:
    """A table and its quarantine, written by nobody's protocol."""

    def __init__(self, folder, s3=None):
        self.folder, self.client = folder, s3 and s3.client()
        self.store = S3(self.client) if s3 else Local()
        self.root = f"s3://{s3.bucket}/{folder.name}" if s3 else f"{folder}/table"
        self.write(A, 0, 1)

    def write(self, name: str, *offsets: int, codec: str = "snappy", root: str = "") -> None:
        self.store.replace(f"{self.root}{root}/{name}", self.file(*offsets, codec=codec))

    def file(self, *offsets: int, codec: str = "snappy") -> bytes:
        rows = ", ".join(f"('t', 0, {offset})" for offset in offsets)
        query = f"SELECT * FROM (VALUES {rows}) AS r(_topic, _partition, _offset)"
        duckdb.execute(f"COPY ({query}) TO '{self.folder}/made' (FORMAT parquet, COMPRESSION {codec})")
        return (self.folder / "made").read_bytes()

    def oracle(self) -> Oracle:
        return Oracle(self.folder, self.root, f"{self.root}_quarantine", self.client)

    def wronged(self, wrong) -> list[str]:
        """What the oracle says when something happens between two looks."""
        oracle = self.oracle()
        oracle.look()
        assert not oracle.violations
        wrong()
        oracle.look()
        return oracle.violations


@pytest.fixture(params=["local", "s3"])
def table(request, folder):
    return Table(folder, request.getfixturevalue("s3") if request.param == "s3" else None)


def test_a_table_that_only_grows_is_right(table):
    assert not table.wronged(lambda: table.write(B, 2))
    oracle = table.oracle()
    oracle.assert_exactly(KEY)
    with pytest.raises(AssertionError, match="1 lost"):
        oracle.assert_exactly(KEY | {("t", 0, 3)})
    with pytest.raises(AssertionError, match="1 rows of nothing"):
        oracle.assert_exactly(KEY - {("t", 0, 2)})


@pytest.mark.parametrize(
    ("name", "root"), [(B, ""), (A, "_quarantine"), ("_temporary/0/b.parquet", ""), ("dt=1/.b.parquet", "")]
)
def test_a_row_that_is_there_twice_is_seen_wherever_a_reader_finds_it(table, name, root):
    """DuckDB looks into hidden folders too."""
    assert "twice" in table.wronged(lambda: table.write(name, 1, 2, root=root))[0]


def test_a_file_that_is_half_there_changes_or_vanishes_is_seen(table):
    half = table.file(2)[:-9]
    assert "can't be read" in table.wronged(lambda: table.store.replace(f"{table.root}/{B}", half))[0]
    table.store.discard(f"{table.root}/{B}")
    assert "changed" in table.wronged(lambda: table.write(A, 0, 1, codec="zstd"))[0], "the same rows"
    assert "vanished" in table.wronged(lambda: table.store.discard(f"{table.root}/{A}"))[0]
