"""Much of everything: values, partitions, batches, records. Bounded, or refused in words, and exact in any case."""

import re
from collections import Counter

import duckdb
import pytest

from tests.kit.events import Event
from tests.kit.pipeline import START_MS, Pipeline
from tests.test_ingest import DRAIN

BY_VALUE = "tests.kit.odd:by_value"


def of_values(folder, broker, count: int, s3=None) -> Pipeline:
    """A topic with so many records, each of which is a partition of its own."""
    pipeline = Pipeline(folder, broker, s3, transform=BY_VALUE)
    pipeline.send_events([Event(b"k", b"v%05d" % n, [], START_MS, None) for n in range(count)])
    return pipeline


@pytest.mark.parametrize(
    ("store", "count"),
    [
        ("local", 60),
        pytest.param("local", 10_000, marks=pytest.mark.soak),
        pytest.param("s3", 1_000, marks=pytest.mark.soak),  # the stand-in looks at every key for each LIST
    ],
)
@pytest.mark.newest
def test_a_batch_with_very_many_partition_values_is_exact(store, count, folder, broker, request):
    pipeline = of_values(folder, broker, count, request.getfixturevalue("s3") if store == "s3" else None)
    assert pipeline.job.run(*DRAIN, "--partition-by", "place", patience=3600) == 0, pipeline.job.said()
    pipeline.oracle.assert_exactly(pipeline.sent)
    pipeline.assert_ledger_is_true()
    (batch,) = pipeline.batches()
    assert len(batch.table_files) == count


@pytest.mark.soak
def test_a_topic_with_five_hundred_partitions_is_read_from_all(folder, broker):
    pipeline = Pipeline(folder, broker, partitions=500)
    pipeline.send(2_000)
    assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    pipeline.assert_exact()
    (batch,) = pipeline.batches()
    assert len(batch.ranges[pipeline.topic]) == 500 and len(batch.table_files) == 6


@pytest.mark.soak
def test_the_thousandth_batch_asks_the_store_for_as_much_as_the_tenth(folder, broker, s3):
    pipeline = Pipeline(folder, broker, s3, partitions=1)
    pipeline.send(10_050)
    checkpoint = ("--checkpoint", str(folder / "checkpoint"))
    assert pipeline.job.run(*DRAIN, "--max-records", "10", *checkpoint, patience=3600) == 0, pipeline.job.said()
    assert len(pipeline.batches()) == 1_005
    # Of forty records two are bad, so every fourth batch is like the other.
    tenth, thousandth = (requests(s3.log.read_text(), pipeline.topic, seq) for seq in (10, 1_002))
    assert tenth == thousandth and sum(tenth.values()) > 5 and tenth["POST", "delete"]
    pipeline.assert_exact()


@pytest.mark.soak
def test_large_records_that_are_all_rejected_fit_into_a_heap_of_a_gibibyte(folder, broker):
    pipeline = Pipeline(folder, broker, transform="transforms.access_log:access_log")
    pipeline.send_events([Event(b"k", b"%03d?" % n * 2**19, [], START_MS, "not json") for n in range(300)])
    assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    pipeline.oracle.assert_exactly(pipeline.sent)
    assert [batch.rows_rejected for batch in pipeline.batches()] == [300]


def requests(log: str, topic: str, seq: int) -> Counter:
    """Method and kind of place of each request of a driver from one record of the ledger to the next.

    What a request for a deletion deletes is in its body.
    """
    lines = re.findall(rf'"([A-Z]+) /floodmark(?:(?:/|\?\S*?prefix=){topic}|\?(?=delete))(\S*) HTTP', log)
    records = [n for n, (method, key) in enumerate(lines) if method == "PUT" and re.match(r"_state/ledger/\d", key)]
    between = lines[records[seq] : records[seq + 1]]
    return Counter(
        (method, re.sub(r"[0-9a-f]{8}[0-9a-f-]*|\d+", "N", key.partition("?")[0])) for method, key in between
    )


@pytest.mark.soak
def test_a_backlog_of_ten_million_is_one_batch_for_a_driver_of_a_gibibyte(folder, broker):
    """Without --max-records: what is read is written as it comes."""
    pipeline = Pipeline(folder, broker, transform="transforms.raw:raw")
    broker.produce(pipeline.topic, ((b"k", b"%040d" % n, [], START_MS + n, n % 3) for n in range(10_000_000)))
    assert pipeline.job.run(*DRAIN, patience=3600) == 0, pipeline.job.said()
    (batch,) = pipeline.batches()
    assert (batch.rows_in, batch.rows_written) == (10_000_000, 10_000_000)
    rows = "count(*), count(DISTINCT value), min(value::VARCHAR), max(value::VARCHAR)"
    found = duckdb.sql(f"SELECT {rows} FROM '{pipeline.table}/**/*.parquet'").fetchall()
    assert found == [(10_000_000, 10_000_000, f"{0:040}", f"{10_000_000 - 1:040}")]
