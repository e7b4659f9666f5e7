"""Records that the brokers no longer hold: the job says which, and stops or notes it; none goes in silence."""

from collections import Counter
from pathlib import Path

import pytest

from jobs.ledger import Gap
from jobs.offsets import Missing
from tests.kit.events import Event
from tests.kit.job import kill
from tests.kit.pipeline import START_MS, Pipeline
from tests.test_ingest import DRAIN, NEEDS_A_PERSON, wait_until

pytestmark = pytest.mark.newest

RECORD = ("--on-data-loss", "record")
EVERY_10_S = ("--trigger", "10s", "--kafka-option", "metadata.max.age.ms=1000", *RECORD)


def events(*numbers: int) -> list[Event]:
    return [Event(b"k", b"id-%d" % n, [], START_MS, None) for n in numbers]


def sent(folder: Path, broker, count: int = 100) -> Pipeline:
    """A topic of one partition, `count` good records in it and in the table."""
    pipeline = Pipeline(folder, broker, partitions=1)
    pipeline.send_events(events(*range(count)))
    return pipeline


def offsets(pipeline: Pipeline) -> list[int]:
    return sorted(offset for (offset,) in pipeline.oracle.select("table", "_offset"))


def rows(pipeline: Pipeline) -> dict[str, int]:
    return Counter(topic for (topic,) in pipeline.oracle.select("table", "_topic"))


def gaps(pipeline: Pipeline) -> list[Missing]:
    return [missing for record in pipeline.records() if isinstance(record, Gap) for missing in record.missing]


@pytest.mark.parametrize("subscribed", ["--topics", pytest.param("--topics-pattern", marks=pytest.mark.soak)])
def test_what_is_lost_while_the_job_is_down_stops_it_or_is_noted(subscribed, folder, broker):
    """One topic's next records expire, another is created again and longer than it was, a third is deleted."""
    pipeline = sent(folder, broker)
    again, gone = f"{pipeline.topic}-again", f"{pipeline.topic}-gone"
    names = {"--topics": f"{pipeline.topic},{again},{gone}", "--topics-pattern": f"{pipeline.topic}.*"}
    instead = {"--topics": subscribed, pipeline.topic: names[subscribed]}
    pipeline.job.flags = tuple(instead.get(flag, flag) for flag in pipeline.job.flags)
    for topic in (again, gone):
        broker.create_topic(topic)
        broker.produce(topic, [(None, b"id-old", None, START_MS, 0)] * 10)
    assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()

    pipeline.send_events(events(*range(100, 200)))
    broker.delete_records(pipeline.topic, {0: 130})
    broker.delete_topic(gone)
    broker.delete_topic(again)
    broker.create_topic(again)
    broker.produce(again, [(None, b"id-new", None, START_MS, 0)] * 30)
    before = len(pipeline.records()), rows(pipeline)
    assert pipeline.job.run(*DRAIN) == NEEDS_A_PERSON
    for said in (
        f"ingest.py: {gone}-0: the topic was deleted; what it held from offset 10 on was not read",
        f"{pipeline.topic}-0: offsets 100 to 129 expired or were deleted on the brokers before they were read",
        f"{again}-0: the topic was deleted and created again; what it held from offset 10 on was not read",
        "To note this in the ledger and go on: --on-data-loss record",
    ):
        assert said in pipeline.job.said()
    assert (len(pipeline.records()), rows(pipeline)) == before

    assert pipeline.job.run(*DRAIN, *RECORD) == 0, pipeline.job.said()
    assert {(lost.topic, lost.start, lost.end, lost.reason) for lost in gaps(pipeline)} == {
        (pipeline.topic, 100, 130, "expired"),
        (again, 10, None, "recreated"),
        (gone, 10, None, "deleted"),
    }
    assert '"event": "gap"' in pipeline.job.said()
    assert pipeline.job.run(*DRAIN) == 0, "what is noted is settled"
    assert rows(pipeline) == {pipeline.topic: 170, again: 40, gone: 10}


def test_what_expires_under_a_running_job_ends_it_or_is_noted(folder, broker):
    pipeline = sent(folder, broker)
    job = pipeline.job.start(*EVERY_10_S, "--on-data-loss", "fail")
    try:
        wait_until(lambda: len(offsets(pipeline)) == 100, pipeline.job)
        pipeline.send_events(events(*range(100, 200)))
        broker.delete_records(pipeline.topic, {0: 150})
        assert job.wait(60) == NEEDS_A_PERSON, pipeline.job.said()
    finally:
        kill(job)
    assert f"ingest.py: {pipeline.topic}-0: offsets 100 to 149 expired" in pipeline.job.said()
    assert offsets(pipeline) == [*range(100)]

    job = pipeline.job.start(*EVERY_10_S)
    try:
        wait_until(lambda: len(offsets(pipeline)) == 150, pipeline.job)
    finally:
        kill(job)
    assert offsets(pipeline) == [*range(100), *range(150, 200)]
    assert gaps(pipeline) == [Missing(topic=pipeline.topic, partition=0, start=100, end=150, reason="expired")]


@pytest.mark.parametrize("refilled", [pytest.param(30, marks=pytest.mark.soak), 300], ids=["with less", "with more"])
def test_a_topic_created_again_under_a_running_job_is_another_topic(refilled, folder, broker):
    """Refilled beyond the old offsets, only the topic's id tells: Spark would read on where the old one ended."""
    pipeline = sent(folder, broker)
    job = pipeline.job.start(*EVERY_10_S)
    try:
        wait_until(lambda: len(offsets(pipeline)) == 100, pipeline.job)
        broker.delete_topic(pipeline.topic)
        broker.create_topic(pipeline.topic)
        pipeline.send_events(events(*range(1000, 1000 + refilled)))
        wait_until(lambda: len(offsets(pipeline)) == 100 + refilled, pipeline.job)
    finally:
        kill(job)
    assert gaps(pipeline) == [Missing(topic=pipeline.topic, partition=0, start=100, end=None, reason="recreated")]
    ids = sorted(int(id_[3:]) for (id_,) in pipeline.oracle.select("table", "id"))
    assert ids == [*range(100), *range(1000, 1000 + refilled)]


def test_a_topic_deleted_before_the_first_batch_is_named(folder, broker):
    """What Kafka says of it then would pass for a mistyped name."""
    pipeline = sent(folder, broker)
    job = pipeline.job.start("--min-records", "1000", "--max-wait", "10s", "--kafka-option", "metadata.max.age.ms=1000")
    try:
        wait_until(lambda: pipeline.records(), pipeline.job)
        broker.delete_topic(pipeline.topic)
        assert job.wait(90) == NEEDS_A_PERSON, pipeline.job.said()
    finally:
        kill(job)
    assert f"ingest.py: {pipeline.topic}-0: the topic was deleted; what it held from offset 0 on" in pipeline.job.said()
