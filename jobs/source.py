"""Kafka: the options of Spark's reader, and the offsets a query starts from."""

import json
from collections.abc import Mapping

from pyspark.sql import DataFrame, SparkSession

from jobs import offsets
from jobs.brokers import Brokers
from jobs.offsets import Ids, Positions, Ranges, Start
from jobs.settings import Refused, Settings

# Each poll of Spark's reader seeks to both ends of the partition, so it takes all that a fetch brought. Behind it the
# consumer asks for more at once; where there is none yet, whatever it asks next waits fetch.max.wait.ms, in every
# partition: with 64 of them and 200 records a second, half the records took 5.3 s into the table, and 6.8 s with 20 ms.
# What was fetched and not used stays in memory for minutes, for each partition, so Kafka's own limit of 1 MiB is left:
# with 10 MiB no batch took less time. Kafka's 64 KiB on the way would hold a connection to 32 MB/s where an answer is
# 2 ms away, as in another zone; that is arithmetic, for a loopback tells nothing of it.
FETCH = {
    "kafka.max.poll.records": "50000",
    "kafka.receive.buffer.bytes": str(2 * 2**20),
    "kafka.fetch.max.wait.ms": "5",
}
SPLITTING = {"minPartitions", "maxRecordsPerPartition"}  # the user's word on the parts of a batch


def gathered(records: DataFrame, settings: Settings) -> DataFrame:
    """No more parts than the job has cores. It belongs below the transform: Spark makes the code of its expressions
    anew for every part. With eight parts and a thousand records that was half of a task's time.

    Left as they are where the flags say how many, or nobody knows the cores: executors come and go, or come later.
    """
    context = records.sparkSession.sparkContext
    conf = context.getConf()
    cores = context.defaultParallelism
    if not context.master.startswith("local"):
        executors = conf.get("spark.executor.instances", "0")
        dynamic = conf.get("spark.dynamicAllocation.enabled", "false").lower() == "true"
        cores = 0 if dynamic else int(executors) * int(conf.get("spark.executor.cores", "1"))
    return records if not cores or SPLITTING & dict(settings.kafka_options).keys() else records.coalesce(cores)


def stream(spark: SparkSession, settings: Settings, connection: Mapping[str, str], positions: Positions) -> DataFrame:
    """The topics as a stream of Kafka's columns; a query without a checkpoint starts at `positions`."""
    records = spark.readStream.format("kafka").options(**options(settings, connection, positions)).load()
    return gathered(records, settings)


def part(spark: SparkSession, settings: Settings, connection: Mapping[str, str], ranges: Ranges) -> DataFrame:
    """The records of `ranges`, once, with Kafka's columns."""
    start, end = offsets.edges(ranges)
    assigned = {topic: [*partitions] for topic, partitions in ranges.items()}
    records = spark.read.format("kafka").options(
        **reader(settings, connection),
        assign=json.dumps(assigned),
        startingOffsets=json.dumps(start),
        endingOffsets=json.dumps(end),
    ).load()  # fmt: skip
    return gathered(records, settings)


def options(settings: Settings, connection: Mapping[str, str], positions: Positions) -> dict[str, str]:
    """What Spark's Kafka reader is told of a stream."""
    limits = {
        "maxOffsetsPerTrigger": settings.max_records,
        "minOffsetsPerTrigger": settings.min_records,
        "maxTriggerDelay": None if settings.max_wait is None else f"{settings.max_wait}ms",
    }
    # Only what is there: Spark's reader would stop at a topic that was deleted, and noted as lost.
    subscription = {"subscribe": ",".join(positions)}
    if settings.topics_pattern:
        subscription = {"subscribePattern": f"^(?:{settings.topics_pattern})$"}  # Spark would take a part of a name
    return {
        **reader(settings, connection),
        **{name: str(limit) for name, limit in limits.items() if limit is not None},
        **subscription,
        "startingOffsets": json.dumps(positions),
    }


def reader(settings: Settings, connection: Mapping[str, str]) -> dict[str, str]:
    """What is the same for every read; `--kafka-option` overrides the tuning."""
    return {
        **FETCH,
        **{f"kafka.{name}": value for name, value in connection.items()},
        **{name: value for name, value in settings.kafka_options if not name.startswith("kafka.")},
        "kafka.isolation.level": settings.isolation,
        "failOnDataLoss": "true",
        "includeHeaders": "true",
        "groupIdPrefix": settings.group_prefix,
    }


def resumed(brokers: Brokers, settings: Settings, known: Positions | None, ids: Ids) -> Start:
    """Where the job goes on in every partition of the subscribed topics.

    At the table's own positions; a partition it doesn't know begins at its earliest record, or, when the table is new,
    where `--starting` says. Raises `Refused` when the brokers don't answer or a topic isn't there, and `Lost` when they
    no longer hold what comes next and `--on-data-loss` doesn't say to go on.
    """
    held = brokers.held({*ids, *(known or ())})
    if known is None:
        partitions = {topic: [*begin] for topic, begin in held.begin.items()}
        return Start(positions=brokers.offsets(partitions, settings.starting), ids=held.ids)
    deleted = [topic for topic in brokers.subscribed(known) if topic not in held.begin]
    start = offsets.resumed(known, ids, held, deleted)
    if settings.on_data_loss == "fail":
        start.refuse()
    if not held.begin:
        raise Refused("--topics, --topics-pattern", "every topic of the table was deleted; none is there to go on with")
    return start
