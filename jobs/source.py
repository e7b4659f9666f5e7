"""Kafka: the options of Spark's reader, and the offsets a query starts from."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.sql import DataFrame, SparkSession

from jobs import ledger
from jobs.ledger import Positions
from jobs.settings import Refused, Settings

# Each poll of Spark's reader seeks to both ends of the partition, so few large fetches beat many small ones; at the end
# of a topic a fetch waits fetch.max.wait.ms for every partition.
FETCH = {
    "kafka.max.poll.records": "50000",
    "kafka.max.partition.fetch.bytes": str(10 * 2**20),
    "kafka.fetch.max.bytes": str(100 * 2**20),
    "kafka.receive.buffer.bytes": str(2 * 2**20),
    "kafka.fetch.max.wait.ms": "20",
}
ISOLATION = "read_committed"  # what an aborted transaction wrote is no record
ADMIN_TIMEOUT_MS = 30_000


def stream(spark: SparkSession, settings: Settings, positions: Positions) -> DataFrame:
    """The topics as a stream of Kafka's columns; a query without a checkpoint starts at `positions`."""
    return spark.readStream.format("kafka").options(**options(settings, positions)).load()


def options(settings: Settings, positions: Positions) -> dict[str, str]:
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
        "kafka.bootstrap.servers": settings.bootstrap_servers,
        **FETCH,
        **dict(settings.kafka_options),
        **{name: str(limit) for name, limit in limits.items() if limit},
        **subscription,
        "startingOffsets": json.dumps(positions),
        "kafka.isolation.level": ISOLATION,
        "failOnDataLoss": "true",
        "includeHeaders": "true",
    }


def resumed(spark: SparkSession, settings: Settings, positions: Positions | None) -> Positions:
    """The offset to start from for every partition of the subscribed topics.

    The table's own positions; a partition it doesn't know begins at its earliest record, or, when the table is new,
    where `--starting` says. Raises `Refused` when the brokers don't answer or a topic isn't there, and `Gap` when
    they no longer hold what comes next.
    """
    known = positions or {}
    with admin(spark, settings) as client:
        partitions = _partitions(spark, settings, client)
        begin = _offsets(spark, client, partitions, "earliest")
        ledger.lost(known, begin, _offsets(spark, client, partitions, "latest"))
        if positions is None:
            return _offsets(spark, client, partitions, settings.starting)
    subscribed = {topic: {p: o for p, o in known.get(topic, {}).items() if p in begin[topic]} for topic in begin}
    return ledger.joined(begin, subscribed)


@contextmanager
def admin(spark: SparkSession, settings: Settings) -> Iterator[object]:
    """Kafka's own admin client, in the driver's JVM, with the connection of the job."""
    properties = spark._jvm.java.util.Properties()
    properties.setProperty("bootstrap.servers", settings.bootstrap_servers)
    properties.setProperty("default.api.timeout.ms", str(ADMIN_TIMEOUT_MS))
    for name, value in settings.kafka_options:
        if name.startswith("kafka."):
            properties.setProperty(name.removeprefix("kafka."), value)
    client = None
    try:
        client = spark._jvm.org.apache.kafka.clients.admin.Admin.create(properties)
        yield client
    except TypeError:
        raise Refused("--jars", "Kafka's classes are missing: name the connector's jars, as `make run` does") from None
    except Py4JJavaError as error:
        raise _refusal(settings, error.java_exception) from None
    finally:
        if client:
            client.close()


def _refusal(settings: Settings, error) -> Refused:
    while error.getCause() is not None:
        error = error.getCause()
    kind, message = error.getClass().getSimpleName(), error.getMessage()
    if kind == "UnknownTopicOrPartitionException":
        return Refused("--topics", f"not every one of {', '.join(settings.topics)} is on {settings.bootstrap_servers}")
    flag = {"TopicAuthorizationException": "--topics", "PatternSyntaxException": "--topics-pattern"}.get(kind)
    flag = flag or ("--bootstrap-servers" if kind == "TimeoutException" else "--bootstrap-servers, --kafka-option")
    return Refused(flag, f"{settings.bootstrap_servers} can't be asked: {kind}: {message}".splitlines()[0])


def _partitions(spark: SparkSession, settings: Settings, client) -> dict[str, list[int]]:
    """Topic → its partitions, for every topic the flags name."""
    topics = settings.topics
    if settings.topics_pattern:
        # Java's pattern, as Spark matches it; `list` because py4j hands over a live Java set.
        pattern = spark._jvm.java.util.regex.Pattern.compile(settings.topics_pattern)
        topics = [name for name in list(client.listTopics().names().get()) if pattern.matcher(name).matches()]
        if not topics:
            raise Refused("--topics-pattern", f"{settings.topics_pattern!r} matches no topic yet")
    wanted = spark._jvm.java.util.ArrayList()
    for topic in topics:
        wanted.add(topic)
    described = client.describeTopics(wanted).allTopicNames().get()
    return {topic: sorted(info.partition() for info in described[topic].partitions()) for topic in topics}


def _offsets(spark: SparkSession, client, partitions: dict[str, list[int]], at: str | int) -> Positions:
    """Every partition's offset at `earliest`, `latest`, or of the first record at or after a time in milliseconds."""
    kafka, specs = spark._jvm.org.apache.kafka, spark._jvm.org.apache.kafka.clients.admin.OffsetSpec
    spec = specs.forTimestamp(at) if isinstance(at, int) else getattr(specs, at)()
    keys = {(topic, p): kafka.common.TopicPartition(topic, p) for topic, found in partitions.items() for p in found}
    wanted = spark._jvm.java.util.HashMap()
    for key in keys.values():
        wanted.put(key, spec)
    isolation = getattr(kafka.common.IsolationLevel, ISOLATION.upper())
    listed = client.listOffsets(wanted, kafka.clients.admin.ListOffsetsOptions(isolation))
    offsets: Positions = {topic: {} for topic in partitions}
    for (topic, p), key in keys.items():
        offsets[topic][p] = listed.partitionResult(key).get().offset()
    # A time after the last record has no offset: what comes later begins at the end.
    late = {topic: [p for p, offset in found.items() if offset < 0] for topic, found in offsets.items()}
    if any(late.values()):
        ends = _offsets(spark, client, late, "latest")
        return ledger.joined(offsets, ends)
    return offsets
