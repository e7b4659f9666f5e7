"""What the bench makes of its measurements."""

import duckdb
import pytest

from tests.bench.__main__ import Run, miscounted, result
from tests.bench.measured import Measured


def run(wall: float, cpu: float, *batches: tuple[float, int]) -> Measured:
    said = [(0.5, {"event": "started"}), *((at, {"batch": n, "rows_in": rows}) for n, (at, rows) in enumerate(batches))]
    return Measured(wall, cpu, 2**30, said)


def test_the_first_batch_is_not_warm():
    assert run(9, 9, (3.0, 1000), (4.0, 500), (7.0, 1000)).warm == 1500 / 4
    assert run(9, 9, (3.0, 1000)).warm is None


def test_what_starting_costs_is_told_from_what_a_record_costs():
    taken = [
        Run(run(wall, 20 + extra, (1, 1), (2, 9)), run(5, 11), "", 4, 100)
        for wall, extra in ((30, 0), (20, 9), (25, 0))
    ]
    found = result(taken, rows=1_000_000)
    assert (found.wall, found.cpu, found.cpu_per_record, found.small_cpu) == (25, 20, 10, 11)  # 9 for 900,000 records
    assert (found.warm, found.wrong) == (9, "")
    assert result([*taken[:2], taken[2]._replace(wrong="bad")], rows=1_000_000).wrong == "bad"


@pytest.mark.parametrize(
    "offsets, wrong", [([0, 1, 2], ""), ([0, 1], "2 rows"), ([0, 1, 1], "2 different"), ([0, 1, 2, 3], "4 rows")]
)
def test_rows_that_are_lost_or_there_twice_are_told(tmp_path, offsets, wrong):
    (tmp_path / "table").mkdir()
    rows = f"SELECT 't' AS _topic, 0 AS _partition, unnest({offsets}) AS _offset"
    duckdb.execute(f"COPY ({rows}) TO '{tmp_path}/table/1.parquet' (FORMAT parquet)")
    said = miscounted(tmp_path / "table", 3)
    assert wrong in said and bool(said) == bool(wrong)
