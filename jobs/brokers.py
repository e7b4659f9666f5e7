"""What the driver asks of the brokers, through Kafka's own admin client in its JVM."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from jobs import ledger
from jobs.ledger import Positions
from jobs.refusals import refusal
from jobs.settings import Refused, Settings

TIMEOUT_MS = 30_000
ISOLATION = "read_committed"  # what an aborted transaction wrote is no record


class Brokers:
    """The admin client's verbs; one client, open until `close`. Its errors are `Refused`, in one line."""

    def __init__(self, spark: SparkSession, settings: Settings, connection: Mapping[str, str]):
        self.jvm = spark._jvm
        self.settings = settings
        self.connection = connection
        properties = self.jvm.java.util.Properties()
        properties.setProperty("default.api.timeout.ms", str(TIMEOUT_MS))
        for name, value in connection.items():
            properties.setProperty(name, value)
        with self._asked():
            self.client = self.jvm.org.apache.kafka.clients.admin.Admin.create(properties)

    def close(self) -> None:
        self.client.close()

    @contextmanager
    def _asked(self) -> Iterator[None]:
        try:
            yield
        except TypeError:
            why = "Kafka's classes are missing: name the connector's jars, as `make run` does"
            raise Refused("--jars", why) from None
        except Py4JJavaError as error:
            raise refusal(self.settings, error.java_exception, self.connection["bootstrap.servers"]) from None

    def partitions(self) -> dict[str, list[int]]:
        """Topic → its partitions, for every topic the flags name."""
        with self._asked():
            topics = self._topics()
            wanted = self.jvm.java.util.ArrayList()
            for topic in topics:
                wanted.add(topic)
            described = self.client.describeTopics(wanted).allTopicNames().get()
            return {topic: sorted(info.partition() for info in described[topic].partitions()) for topic in topics}

    def _topics(self) -> list[str]:
        if not self.settings.topics_pattern:
            return [*self.settings.topics]
        # Java's pattern, as Spark matches it; `list` because py4j hands over a live Java set.
        pattern = self.jvm.java.util.regex.Pattern.compile(self.settings.topics_pattern)
        topics = [name for name in list(self.client.listTopics().names().get()) if pattern.matcher(name).matches()]
        if not topics:
            raise Refused(
                "--topics-pattern",
                f"{self.settings.topics_pattern!r} matches no topic yet, or none that may be described",
            )
        return topics

    def offsets(self, partitions: Mapping[str, list[int]], at: str | int) -> Positions:
        """Each partition's offset at `earliest`, `latest`, or of the first record from a time in milliseconds on."""
        with self._asked():
            offsets = self._listed(partitions, at)
            # A time after the last record has no offset: what comes later begins at the end.
            late = {topic: [p for p, offset in found.items() if offset < 0] for topic, found in offsets.items()}
            return ledger.joined(offsets, self._listed(late, "latest")) if any(late.values()) else offsets

    def _listed(self, partitions: Mapping[str, list[int]], at: str | int) -> Positions:
        kafka = self.jvm.org.apache.kafka
        specs = kafka.clients.admin.OffsetSpec
        spec = specs.forTimestamp(at) if isinstance(at, int) else getattr(specs, at)()
        keys = {(topic, p): kafka.common.TopicPartition(topic, p) for topic, found in partitions.items() for p in found}
        wanted = self.jvm.java.util.HashMap()
        for key in keys.values():
            wanted.put(key, spec)
        isolation = getattr(kafka.common.IsolationLevel, ISOLATION.upper())
        listed = self.client.listOffsets(wanted, kafka.clients.admin.ListOffsetsOptions(isolation))
        offsets: Positions = {topic: {} for topic in partitions}
        for (topic, p), key in keys.items():
            offsets[topic][p] = listed.partitionResult(key).get().offset()
        return offsets
