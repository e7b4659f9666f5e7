"""Brokers in every mood: away for a minute, transactions left open, compacted topics; and a group that sees the lag."""

import time

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer

from tests.kit.broker import Broker
from tests.kit.cluster import Cluster
from tests.kit.events import Event
from tests.kit.job import kill
from tests.kit.pipeline import START_MS, Pipeline
from tests.test_ingest import DRAIN, EVERY_SECOND, complete, ends, wait_until

pytestmark = pytest.mark.newest


@pytest.mark.soak
def test_brokers_that_are_away_for_a_minute_cost_nothing(folder, tmp_path_factory):
    """First the one broker restarts in order, then it is killed and comes back after a minute."""
    with Broker(tmp_path_factory.mktemp("lonely")) as broker:
        pipeline = Pipeline(folder, broker)
        pipeline.send(300)
        job = pipeline.job.start(*EVERY_SECOND)
        try:
            with pipeline.oracle.watch():
                wait_until(complete(pipeline), pipeline.job)
                broker.stop()
                broker.start()
                pipeline.send(300)
                wait_until(complete(pipeline), pipeline.job)
                broker.kill()
                time.sleep(60)
                broker.start()
                pipeline.send(300)
                wait_until(complete(pipeline), pipeline.job)
            job.terminate()
            assert ends(job, pipeline.job) == 0, pipeline.job.said()
        finally:
            kill(job)
        pipeline.assert_exact()


@pytest.mark.soak
@pytest.mark.parametrize("after", ["at once", "after its query died"])
def test_a_job_that_is_told_to_stop_does_so_while_the_brokers_are_away(after, folder, tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("lonely")) as broker:
        pipeline = Pipeline(folder, broker)
        pipeline.send(300)
        job = pipeline.job.start(*EVERY_SECOND)
        try:
            wait_until(complete(pipeline), pipeline.job)
            broker.kill()
            if after == "at once":
                time.sleep(5)  # its query asks them for offsets by now
            else:
                wait_until(lambda: '"restarted"' in pipeline.job.said(), pipeline.job)
            job.terminate()
            assert ends(job, pipeline.job) == 0, pipeline.job.said()
        finally:
            kill(job)
        broker.start()
        pipeline.send(300)
        assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
        pipeline.assert_exact()


@pytest.mark.soak
def test_a_leader_that_dies_is_followed_by_the_next(folder, tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        pipeline = Pipeline(folder, cluster, partitions=3)
        pipeline.send(300)
        job = pipeline.job.start(*EVERY_SECOND)
        try:
            with pipeline.oracle.watch():
                wait_until(complete(pipeline), pipeline.job)
                lost = cluster.leader(pipeline.topic, 0)
                lost.kill()

                def led() -> bool:
                    return not {lost, None} & {cluster.leader(pipeline.topic, p) for p in range(3)}

                wait_until(led, pipeline.job)
                pipeline.send(300)
                wait_until(complete(pipeline), pipeline.job)
            job.terminate()
            assert ends(job, pipeline.job) == 0, pipeline.job.said()
        finally:
            kill(job)
        pipeline.assert_exact()


def transaction(pipeline: Pipeline, value: bytes, name: str = "") -> Producer:
    """An open transaction with one record in it."""
    producer = Producer({"bootstrap.servers": pipeline.broker.bootstrap, "transactional.id": f"{pipeline.topic}{name}"})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(pipeline.topic, value=value, partition=0)
    producer.flush(30)
    return producer


def rows(pipeline: Pipeline) -> list[tuple]:
    return sorted(pipeline.oracle.select("table", "_offset, id"))


def test_only_committed_records_are_there_and_an_open_transaction_is_waited_for(folder, broker):
    pipeline = Pipeline(folder, broker, partitions=1)
    for value, end in ((b"id-1", "commit_transaction"), (b"id-2", "abort_transaction")) * 2:
        getattr(transaction(pipeline, value), end)(30)
    hanging = transaction(pipeline, b"id-3", "-hanging")
    broker.produce(pipeline.topic, [(b"k", b"id-4", None, START_MS, 0)])
    assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    assert rows(pipeline) == [(0, "id-1"), (4, "id-1")]
    assert [(batch.rows_in, batch.holes) for batch in pipeline.batches()] == [(2, 6)]
    hanging.abort_transaction(30)
    assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    assert rows(pipeline) == [(0, "id-1"), (4, "id-1"), (9, "id-4")]
    assert sum(batch.holes for batch in pipeline.batches()) == 8

    everything = str(folder / "everything")
    assert pipeline.job.run(*DRAIN, "--isolation", "read_uncommitted", "--table", everything) == 0
    pipeline.oracle.roots["table"] = everything
    assert [id_ for _, id_ in rows(pipeline)] == ["id-1", "id-2", "id-1", "id-2", "id-3", "id-4"]


def test_a_compacted_topic_has_holes_and_its_tombstones_are_records(folder, broker):
    broker.create_topic(folder.name, cleanup_policy="compact", segment_ms=100, min_cleanable_dirty_ratio=0.01)
    pipeline = Pipeline(folder, broker, partitions=1, create=False)
    events = [Event(b"key", b"id-%d" % n, [], START_MS + n, None) for n in range(50)]
    pipeline.send_events(events)

    def compacted() -> bool:
        """What is compacted are closed segments, and a segment is closed by a record of a later time."""
        at = START_MS + 1_000 * len(pipeline.sent)
        pipeline.send_events([Event(b"gone", None, [], at, "tombstone")])
        time.sleep(0.5)
        return b"id-0" not in {message.value() for message in broker.consumed(pipeline.topic)}

    wait_until(compacted, pipeline.job)
    left = {message.offset() for message in broker.consumed(pipeline.topic)}
    assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    found = pipeline.oracle.select("table", "_offset") + pipeline.oracle.select("quarantine", "_offset")
    assert sorted(offset for (offset,) in found) == sorted(left)
    (batch,) = pipeline.batches()
    assert batch.holes == len(pipeline.sent) - len(left) > 0


def committed(broker: Broker, group: str, topic: str) -> dict[int, int]:
    asked = ConsumerGroupTopicPartitions(group)
    (found,) = (future.result(30) for future in broker.admin.list_consumer_group_offsets([asked]).values())
    return {at.partition: at.offset for at in found.topic_partitions if at.topic == topic}


def test_the_consumer_group_sees_how_far_the_table_is(folder, broker):
    pipeline = Pipeline(folder, broker, partitions=2)
    pipeline.send(100)
    drain = (*DRAIN, "--max-records", "60", "--consumer-group", f"{pipeline.topic}-lag")
    assert pipeline.job.run(*drain) == 0, pipeline.job.said()
    assert committed(broker, f"{pipeline.topic}-lag", pipeline.topic) == {0: 50, 1: 50}
    assert "warning" not in pipeline.job.said()


def test_a_group_that_cannot_be_told_is_a_warning_and_no_failed_batch(folder, broker):
    """A group with members of its own keeps its offsets to itself."""
    pipeline = Pipeline(folder, broker, partitions=1)
    pipeline.send(40)
    group = f"{pipeline.topic}-busy"
    with broker.member(group, pipeline.topic):
        assert pipeline.job.run(*DRAIN, "--consumer-group", group) == 0, pipeline.job.said()
    assert f'"warning": "--consumer-group {group} was not told: ' in pipeline.job.said()
    pipeline.assert_exact()
