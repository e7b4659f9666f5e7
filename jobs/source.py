"""Kafka: the options of Spark's reader, and the offsets a query starts from."""

import json
from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from jobs import ledger
from jobs.brokers import ISOLATION, Brokers
from jobs.ledger import Positions
from jobs.settings import Settings

# Each poll of Spark's reader seeks to both ends of the partition, so few large fetches beat many small ones; at the end
# of a topic a fetch waits fetch.max.wait.ms for every partition.
FETCH = {
    "kafka.max.poll.records": "50000",
    "kafka.max.partition.fetch.bytes": str(10 * 2**20),
    "kafka.fetch.max.bytes": str(100 * 2**20),
    "kafka.receive.buffer.bytes": str(2 * 2**20),
    "kafka.fetch.max.wait.ms": "20",
}


def stream(spark: SparkSession, settings: Settings, connection: Mapping[str, str], positions: Positions) -> DataFrame:
    """The topics as a stream of Kafka's columns; a query without a checkpoint starts at `positions`."""
    return spark.readStream.format("kafka").options(**options(settings, connection, positions)).load()


def options(settings: Settings, connection: Mapping[str, str], positions: Positions) -> dict[str, str]:
    """What Spark's Kafka reader is told; `--kafka-option` overrides the tuning."""
    limits = {
        "maxOffsetsPerTrigger": settings.max_records,
        "minOffsetsPerTrigger": settings.min_records,
        "maxTriggerDelay": settings.max_wait and f"{settings.max_wait}ms",
    }
    subscription = {"subscribe": ",".join(settings.topics)}
    if settings.topics_pattern:
        subscription = {"subscribePattern": settings.topics_pattern}
    return {
        **FETCH,
        **{f"kafka.{name}": value for name, value in connection.items()},
        **{name: value for name, value in settings.kafka_options if not name.startswith("kafka.")},
        **{name: str(limit) for name, limit in limits.items() if limit},
        **subscription,
        "startingOffsets": json.dumps(positions),
        "kafka.isolation.level": ISOLATION,
        "failOnDataLoss": "true",
        "includeHeaders": "true",
        "groupIdPrefix": settings.group_prefix,
    }


def resumed(brokers: Brokers, settings: Settings, positions: Positions | None) -> Positions:
    """The offset to start from for every partition of the subscribed topics.

    The table's own positions; a partition it doesn't know begins at its earliest record, or, when the table is new,
    where `--starting` says. Raises `Refused` when the brokers don't answer or a topic isn't there, and `Gap` when
    they no longer hold what comes next.
    """
    known = positions or {}
    partitions = brokers.partitions()
    begin = brokers.offsets(partitions, "earliest")
    ledger.lost(known, begin, brokers.offsets(partitions, "latest"))
    if positions is None:
        return brokers.offsets(partitions, settings.starting)
    subscribed = {topic: {p: o for p, o in known.get(topic, {}).items() if p in begin[topic]} for topic in begin}
    return ledger.joined(begin, subscribed)
