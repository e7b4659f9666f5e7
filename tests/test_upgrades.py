"""A job that was killed goes on as another one: other code, other flags, the other line of Spark."""

import itertools
import signal
from collections.abc import Iterable

import pytest

from tests.kit.events import Event
from tests.kit.job import LINE, PYTHONS
from tests.kit.pipeline import MARKED, START_MS, Pipeline
from tests.test_ingest import DRAIN

LENIENT = "tests.kit.odd:lenient"
BATCH = 300
OTHER = {"4.1": "3.5", "3.5": "4.1"}[LINE]
CHANGES = {
    "transform": ("--transform", LENIENT),
    "partition": ("--partition-by", "dt"),
    "file size": ("--target-file-size", "4KiB"),
}
COMMITTED = {"staged": False, "record response lost": True, "half published": True}


def judged(event: Event, transform: str) -> tuple[str | None, str | None]:
    """The id that the transform gives the event, or why it is rejected."""
    if event.value is None:
        return None, "tombstone"
    if transform == LENIENT:
        return event.value.hex().upper(), None
    return (event.value.decode(), None) if event.reason is None else (None, event.reason)


def goes_on(folder, broker, s3, point: str, changes: Iterable[str], before: str = LINE, after: str = LINE) -> None:
    """Killed at `point` on the line `before`, the job goes on with `changes` on the line `after`: exactly.

    What was committed stays as it was meant; everything else is as the new job means it.
    """
    pipeline = Pipeline(folder, broker, s3)
    flags = (*DRAIN, "--checkpoint", str(folder / "checkpoint"))
    changed = [*itertools.chain.from_iterable(CHANGES[change] for change in changes)]
    pipeline.send(BATCH)
    with pipeline.oracle.watch():
        killed = pipeline.job.run(*flags, script=("tests/kit/dies.py", "ingest", point, "0"), line=before)
        assert killed == -signal.SIGKILL, pipeline.job.said()
        pipeline.send(BATCH)
        assert pipeline.job.run(*flags, *changed, line=after) == 0, pipeline.job.said()
    pipeline.oracle.assert_exactly(pipeline.sent)
    pipeline.assert_ledger_is_true()

    new = LENIENT if "transform" in changes else MARKED
    first = MARKED if COMMITTED[point] else new
    key = "_topic, _partition, _offset"
    found = {tuple(row[:3]): (row[3], None) for row in pipeline.oracle.select("table", f"{key}, id")}
    found |= {tuple(row[:3]): (None, row[3]) for row in pipeline.oracle.select("quarantine", f"{key}, reason")}
    sent = enumerate(pipeline.sent.items())
    assert found == {at: judged(event, first if n < BATCH else new) for n, (at, event) in sent}
    *old, last = pipeline.batches()
    assert [batch.transform for batch in old] == [MARKED] * COMMITTED[point] and last.transform == new
    for batch in old:
        assert len(batch.table_files) == 6 and all("/hr=" in file.final for file in batch.table_files)
    assert any("/hr=" in file.final for file in last.table_files) == ("partition" not in changes)
    warned = "--partition-by: the table's files lie by dt/hr until now" in pipeline.job.said()
    assert warned == ("partition" in changes and bool(old))
    usual = 1 if "partition" in changes else 6
    assert (len(last.table_files) > usual) == ("file size" in changes)


@pytest.mark.soak
def test_a_schema_that_grows_is_one_table_for_readers_by_name(folder, broker):
    """A column that is new is null in older files. One of another type is exact too, though few readers take both."""
    pipeline = Pipeline(folder, broker, transform="transforms.json_records:json_records", partitions=1)
    for value, schema in ((b'{"a": 1}', "a INT"), (b'{"a": 2, "b": "x"}', "a INT, b STRING"), (b'{"b": 7}', "b INT")):
        pipeline.send_events([Event(b"k", value, [], START_MS, None)])
        assert pipeline.job.run(*DRAIN, "--schema", schema) == 0, pipeline.job.said()
        if "b STRING" in schema:
            found = pipeline.oracle.select("table", "a, b")
    pipeline.oracle.assert_exactly(pipeline.sent)
    pipeline.assert_ledger_is_true()
    assert sorted(found) == [(1, None), (2, "x")]


needs_both_lines = pytest.mark.skipif(
    not PYTHONS[OTHER].exists(), reason=f"Spark {OTHER} is not set up here: make setup SPARK={OTHER}"
)


@pytest.mark.newest
@needs_both_lines
def test_a_job_that_was_killed_goes_on_with_everything_changed(folder, broker, s3):
    goes_on(folder, broker, s3, "half published", CHANGES, before=OTHER, after=LINE)


@pytest.mark.soak
@pytest.mark.parametrize("point", COMMITTED)
@pytest.mark.parametrize(
    ("changes", "before", "after"),
    [
        (("transform",), LINE, LINE),
        (("partition",), LINE, LINE),
        (("file size",), LINE, LINE),
        pytest.param((), LINE, OTHER, marks=needs_both_lines),
        pytest.param((), OTHER, LINE, marks=needs_both_lines),
        pytest.param(tuple(CHANGES), LINE, OTHER, marks=needs_both_lines),
        pytest.param(tuple(CHANGES), OTHER, LINE, marks=needs_both_lines),
    ],
)
def test_a_job_killed_at_a_point_goes_on_with_one_thing_changed_or_all(
    changes, before, after, point, folder, broker, s3
):
    goes_on(folder, broker, s3, point, changes, before, after)
