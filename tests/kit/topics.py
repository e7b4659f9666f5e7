"""What tests do to the topics of a broker, or of several: create, fill, ask, delete."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec

MIB = 1 << 20

# What is not taken at once is an error, for a retry might write a record twice; an idempotent producer, which may
# retry, needs half a second to start.
PRODUCER = {
    "acks": "all",
    "retries": 0,
    "max.in.flight": 1,
    "batch.size": MIB,
    "message.max.bytes": 20 * MIB,
    "queue.buffering.max.messages": 500_000,
    "delivery.report.only.error": True,
    "log_level": 0,
}


class BrokerError(Exception):
    """The broker did not do what was asked; the message carries the end of its log."""


class Topics:
    """The topics at `bootstrap`; each partition is on `replicas` brokers."""

    bootstrap: str
    replicas = 1

    def connect(self) -> None:
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})

    def last_words(self) -> str:
        """The end of the brokers' log."""
        raise NotImplementedError

    def create_topic(self, name: str, partitions: int = 1, **config) -> None:
        """Topic `name` is there with a leader for each partition; `config` names use `_` for Kafka's `.`."""
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        topic = NewTopic(name, partitions, self.replicas, config=settings)
        settled(self.admin.create_topics([topic]))
        self.await_leaders(name, partitions)

    def delete_topic(self, name: str, patience: float = 20) -> None:
        """Topic `name` is gone, and may be created again."""
        settled(self.admin.delete_topics([name]))
        end = time.monotonic() + patience
        while name in self.admin.list_topics(timeout=10).topics:
            if time.monotonic() > end:
                raise BrokerError(f"topic {name} was not deleted:\n{self.last_words()}")
            time.sleep(0.05)

    def add_partitions(self, name: str, total: int) -> None:
        """Topic `name` has `total` partitions."""
        settled(self.admin.create_partitions([NewPartitions(name, total)]))
        self.await_leaders(name, total)

    def await_leaders(self, name: str, partitions: int, patience: float = 20) -> None:
        end = time.monotonic() + patience
        while sum(p.leader >= 0 for p in self.partitions(name)) < partitions:
            if time.monotonic() > end:
                raise BrokerError(f"topic {name} got no leaders:\n{self.last_words()}")
            time.sleep(0.05)

    def partitions(self, name: str) -> list:
        return list(self.admin.list_topics(name, timeout=10).topics[name].partitions.values())

    def delete_records(self, topic: str, before: dict[int, int]) -> None:
        """Each partition of `before` begins at the offset given there."""
        settled(self.admin.delete_records([TopicPartition(topic, p, offset) for p, offset in before.items()]))

    def start_offsets(self, topic: str) -> dict[int, int]:
        """The offset of the first record there is, by partition."""
        return self.offsets(topic, OffsetSpec.earliest())

    def end_offsets(self, topic: str) -> dict[int, int]:
        """The offset after the last record, by partition."""
        return self.offsets(topic, OffsetSpec.latest())

    def offsets(self, topic: str, which: OffsetSpec) -> dict[int, int]:
        wanted = {TopicPartition(topic, p.id): which for p in self.partitions(topic)}
        return {p.partition: found.offset for p, found in settled(self.admin.list_offsets(wanted)).items()}

    def consumed(self, topic: str) -> list[Message]:
        """Every message of `topic`, partition by partition."""
        messages = []
        with self._consumer("reader") as consumer:
            for partition, start in self.start_offsets(topic).items():
                end = self.end_offsets(topic)[partition]
                consumer.assign([TopicPartition(topic, partition, start)])
                while start < end:
                    message = consumer.poll(10)
                    if message is None or message.error():
                        why = message.error() if message else "nothing came"
                        raise BrokerError(f"{topic}-{partition} can't be read at {start}: {why}")
                    messages.append(message)
                    start = message.offset() + 1
        return messages

    @contextmanager
    def member(self, group: str, topic: str) -> Iterator[None]:
        """The group has a member, which reads `topic`, while the block runs."""
        with self._consumer(group) as consumer:
            consumer.subscribe([topic])
            while not consumer.assignment():
                consumer.poll(0.1)
            yield

    @contextmanager
    def _consumer(self, group: str) -> Iterator[Consumer]:
        settings = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        consumer = Consumer({"bootstrap.servers": self.bootstrap, **settings})
        try:
            yield consumer
        finally:
            consumer.close()

    def produce(self, topic: str, records: Iterable[tuple]) -> int:
        """Every record is in the topic, once; how many. A record is (key, value, headers, timestamp_ms, partition).

        Each of them may be None: a timestamp of None (or 0, as the client has it) is now.
        """
        refused = []

        def report(error, _) -> None:
            refused.append(error)

        producer = Producer(PRODUCER | {"bootstrap.servers": self.bootstrap})
        count = 0
        for key, value, headers, timestamp, partition in records:
            place = {"partition": -1 if partition is None else partition, "timestamp": timestamp or 0}
            while True:
                try:
                    producer.produce(topic, value, key, headers=headers, on_delivery=report, **place)
                    break
                except BufferError:
                    producer.poll(0.1)
            count += 1
        left = producer.flush(60)
        if refused or left:
            raise BrokerError(f"{len(refused) + left} of {count} records were not taken: {refused[:1]}")
        return count


def settled(futures: dict) -> dict:
    """The results of the admin client's `futures`; the first failure is raised."""
    return {key: future.result(30) for key, future in futures.items()}
