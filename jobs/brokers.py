"""What the driver asks of the brokers, through Kafka's own admin client in its JVM."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark import __version__ as version
from pyspark.sql import SparkSession

from jobs.offsets import Held, Ids, Positions
from jobs.refusals import causes, refusal
from jobs.settings import Refused, Settings

TIMEOUT_MS = 30_000
EXTRA_MS = 5_000  # for what a batch could do without
NO_CLASSES = (
    "Kafka's classes are missing: run it by `make`, by spark-submit --jars $(python -m emr.jars path kafka-{line} "
    "s3-{line}), or with these in PYSPARK_SUBMIT_ARGS='--jars … pyspark-shell'"
).format(line=".".join(version.split(".")[:2]))
GROUP = "it needs READ on that group where ACLs decide, kafka-cluster:AlterGroup and DescribeGroup where IAM does"
UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAAAA"  # what the client says of a broker older than Kafka 2.8


class Brokers:
    """The admin client's verbs; one client for the job's life. Its errors are `Refused`, in one line."""

    def __init__(self, spark: SparkSession, settings: Settings, connection: Mapping[str, str]):
        self.jvm = spark._jvm
        self.settings = settings
        self.connection = connection
        properties = self.jvm.java.util.Properties()
        patience = max(TIMEOUT_MS, int(connection.get("request.timeout.ms", 0)))  # Kafka refuses one below the other
        properties.setProperty("default.api.timeout.ms", str(patience))
        for name, value in connection.items():
            properties.setProperty(name, value)
        with self._asked():
            self.client = self.jvm.org.apache.kafka.clients.admin.Admin.create(properties)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except TypeError:
            raise Refused("--jars", NO_CLASSES) from None
        except Py4JJavaError as error:
            raise refusal(self.settings, error.java_exception, self.connection["bootstrap.servers"]) from None

    def held(self, known: Collection[str] = ()) -> Held:
        """What there is of every topic that the flags name; one that the table has `known` need not be there."""
        described = self._described(self._topics(known), known)
        partitions = {topic: sorted(p.partition() for p in info.partitions()) for topic, info in described.items()}
        return Held(
            begin=self.offsets(partitions, "earliest"),
            end=self.offsets(partitions, "latest", "read_uncommitted"),  # an open transaction is no loss
            ids={topic: known_id(info) for topic, info in described.items()},
        )

    def leaders(self, topics: Iterable[str]) -> dict[str, list[str]]:
        """HOST:PORT of the broker that each partition is read from, with its partitions; empty where it has none."""
        found: dict[str, list[str]] = {}
        for topic, info in self._described(topics).items():
            for p in info.partitions():
                leader = p.leader()
                at = "" if leader is None or leader.isEmpty() else f"{leader.host()}:{leader.port()}"
                found.setdefault(at, []).append(f"{topic}-{p.partition()}")
        return found

    def ids(self, topics: Iterable[str]) -> Ids:
        return {topic: known_id(info) for topic, info in self._described(topics).items()}

    def subscribed(self, topics: Iterable[str]) -> list[str]:
        """Those of `topics` that the flags name."""
        if not self.settings.topics_pattern:
            return [topic for topic in topics if topic in self.settings.topics]
        with self._asked():
            # Java's pattern, which Spark's reader takes too.
            pattern = self.jvm.java.util.regex.Pattern.compile(self.settings.topics_pattern)
            return [topic for topic in topics if pattern.matcher(topic).matches()]

    def _topics(self, known: Collection[str]) -> list[str]:
        if not self.settings.topics_pattern:
            return [*self.settings.topics]
        with self._asked():
            # `list` because py4j hands over a live Java set.
            topics = self.subscribed(list(self.client.listTopics().names().get()))
        if not topics and not known:
            raise Refused(
                "--topics-pattern",
                f"{self.settings.topics_pattern!r} matches no topic yet, or none that may be described",
            )
        return topics

    def _described(self, topics: Iterable[str], may_lack: Collection[str] = ()) -> dict:
        wanted = self.jvm.java.util.ArrayList()
        for topic in topics:
            wanted.add(topic)
        found = {}
        with self._asked():
            for topic, answer in dict(self.client.describeTopics(wanted).topicNameValues()).items():
                try:
                    found[topic] = answer.get()
                except Py4JJavaError as error:
                    if "UnknownTopicOrPartitionException" not in kinds(error):
                        raise
                    if topic not in may_lack:
                        servers = self.connection["bootstrap.servers"]
                        raise Refused("--topics", f"there is no topic {topic} on {servers}") from None
        return found

    def offsets(self, partitions: Mapping[str, list[int]], at: str | int, isolation: str | None = None) -> Positions:
        """Each partition's offset at `earliest`, `latest`, or of the first record from a time in milliseconds on."""
        isolation = isolation or self.settings.isolation
        with self._asked():
            found = self._listed(partitions, at, isolation)
            # A time after the last record has no offset: what comes later begins at the end.
            late = {topic: [p for p, offset in listed.items() if offset < 0] for topic, listed in found.items()}
            ends = self._listed(late, "latest", isolation) if any(late.values()) else {}
            return {topic: {**listed, **ends.get(topic, {})} for topic, listed in found.items()}

    def commit(self, group: str, positions: Positions) -> None:
        """The consumer group's offsets are `positions`, for whoever looks at its lag."""
        kafka = self.jvm.org.apache.kafka
        offsets = self.jvm.java.util.HashMap()
        for topic, partitions in positions.items():
            for p, offset in partitions.items():
                key = kafka.common.TopicPartition(topic, p)
                offsets.put(key, kafka.clients.consumer.OffsetAndMetadata(offset))
        options = kafka.clients.admin.AlterConsumerGroupOffsetsOptions().timeoutMs(EXTRA_MS)
        with self._asked():
            self.client.alterConsumerGroupOffsets(group, offsets, options).all().get()

    def members(self, group: str) -> int:
        """How many clients read as this consumer group, whose offsets may be looked at."""
        wanted = self.jvm.java.util.ArrayList()
        wanted.add(group)
        with self._asked():
            try:
                self.client.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get()
                return self.client.describeConsumerGroups(wanted).all().get()[group].members().size()
            except Py4JJavaError as error:
                if "GroupIdNotFoundException" in kinds(error):
                    return 0  # it comes up with the first commit
                if "GroupAuthorizationException" in kinds(error):
                    raise Refused("--consumer-group", f"the principal may not use {group}; {GROUP}") from None
                raise

    def _listed(self, partitions: Mapping[str, list[int]], at: str | int, isolation: str) -> Positions:
        kafka = self.jvm.org.apache.kafka
        specs = kafka.clients.admin.OffsetSpec
        spec = specs.forTimestamp(at) if isinstance(at, int) else getattr(specs, at)()
        keys = {(topic, p): kafka.common.TopicPartition(topic, p) for topic, found in partitions.items() for p in found}
        wanted = self.jvm.java.util.HashMap()
        for key in keys.values():
            wanted.put(key, spec)
        level = getattr(kafka.common.IsolationLevel, isolation.upper())
        listed = self.client.listOffsets(wanted, kafka.clients.admin.ListOffsetsOptions(level))
        offsets: Positions = {topic: {} for topic in partitions}
        for (topic, p), key in keys.items():
            offsets[topic][p] = listed.partitionResult(key).get().offset()
        return offsets


def kinds(error: Py4JJavaError) -> set[str]:
    """The classes of a Java exception and of its causes."""
    return {kind for kind, _ in causes(error.java_exception)}


def known_id(description) -> str:
    found = description.topicId().toString()
    return "" if found == UNKNOWN_ID else found
