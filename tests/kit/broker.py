"""A real one-node Kafka broker (KRaft) on free loopback ports, gone when its `with` ends or its parent dies."""

import atexit
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from confluent_kafka import KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic, OffsetSpec

from emr import jars

MIB = 1 << 20
FOREVER = (1 << 63) - 1
CLUSTER = "Zmxvb2RtYXJrLXRlc3RzLQ"

# Fast to start, on small memory: a broker of tests lives for seconds.
JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.showDateTime=true"]

SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": 1,
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "message.max.bytes": 20 * MIB,
    "replica.fetch.max.bytes": 20 * MIB,
    # Events carry any time, 1970 or the far future: none is refused or deleted, and a leap in time rolls no segment.
    "log.message.timestamp.before.max.ms": FOREVER,
    "log.message.timestamp.after.max.ms": FOREVER,
    "log.retention.ms": -1,
    "log.retention.bytes": -1,
    "log.roll.ms": FOREVER,
    # What a topic with a retention of its own gives up is gone in seconds, not in minutes.
    "log.initial.task.delay.ms": 500,
    "log.retention.check.interval.ms": 500,
    "log.cleaner.dedupe.buffer.size": 4 * MIB,
    # A broker that comes back after a kill waits until its dead self is given up.
    "broker.session.timeout.ms": 1000,
    "broker.heartbeat.interval.ms": 100,
    "group.initial.rebalance.delay.ms": 0,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 1,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
}

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

# Reads a line, and then all is well; an end without a line means that the parent is dead.
WATCHER = 'read -r line || kill -s KILL -- "-$1"'


class BrokerError(Exception):
    """The broker did not do what was asked; the message carries the end of its log."""


class Broker:
    """A broker whose properties, data and log lie in `folder`; it runs inside `with`, or from `start` to `stop`."""

    listeners: Mapping[str, str] = {"plaintext": "PLAINTEXT"}  # name → security protocol
    jvm: Sequence[str] = JVM
    formatted: Sequence[str] = ()  # what more the storage tool is told

    def __init__(self, folder: Path | str, java_home: str | None = None):
        self.folder = Path(folder).absolute()
        self.log = self.folder / "broker.log"
        self.java = f"{java_home or jars.java_home()}/bin/java"
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Broker":
        self.folder.mkdir(parents=True, exist_ok=True)
        names = [*self.listeners, "controller"]
        ports = free_ports(len(names))
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}
        self.bootstrap = self.at("plaintext")
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in self.settings().items()))
        with self.log.open("ab") as log:
            tool = [*self.command, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self.properties)]
            if subprocess.run([*tool, *self.formatted], stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode:
                raise BrokerError(f"the broker's storage could not be formatted:\n{self.last_words()}")
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        self.start()
        return self

    def __exit__(self, *raised) -> None:
        self.kill()

    def at(self, listener: str) -> str:
        return self.addresses[listener]

    def settings(self) -> dict:
        """The broker's properties; the addresses are known by now."""
        at = {name: f"{name.upper()}://{address}" for name, address in self.addresses.items()}
        protocols = {**self.listeners, "controller": "PLAINTEXT"}
        return SETTINGS | {
            "listeners": ",".join(at.values()),
            "advertised.listeners": ",".join(at[name] for name in self.listeners),
            "listener.security.protocol.map": ",".join(f"{n.upper()}:{kind}" for n, kind in protocols.items()),
            "controller.quorum.voters": f"1@{self.at('controller')}",
            "log.dirs": self.folder / "data",
        }

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def command(self) -> list[str]:
        return [self.java, *self.jvm, "-cp", os.pathsep.join(jars.paths(["broker"]))]

    def start(self, patience: float = 60) -> None:
        """The broker answers, on its own port and with the data it had."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "kafka.Kafka", str(self.properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.watcher = subprocess.Popen(
            ["sh", "-c", WATCHER, "watcher", str(self.process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )
        atexit.register(self.kill)
        end = time.monotonic() + patience
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise BrokerError(f"the broker did not start:\n{self.last_words()}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether the broker knows itself and leads every partition it has."""
        host, port = self.bootstrap.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            known = self.admin.list_topics(timeout=5)
            for topic in known.topics:
                self.end_offsets(topic)
            return bool(known.brokers)
        except (OSError, KafkaException):
            return False

    def stop(self, patience: float = 20) -> None:
        """The broker has shut down in order."""
        if self.process:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience)
        self.kill()

    def kill(self) -> None:
        """No process of the broker is left; what it had not shut down is as a crash leaves it."""
        if not self.process:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.watcher.communicate(b"over\n")
        self.process = None
        atexit.unregister(self.kill)

    def last_words(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def create_topic(self, name: str, partitions: int = 1, **config) -> None:
        """Topic `name` is there with a leader for each partition; `config` names use `_` for Kafka's `.`."""
        settings = {key.replace("_", "."): str(value) for key, value in config.items()}
        topic = NewTopic(name, partitions, 1, config=settings)
        settled(self.admin.create_topics([topic]))
        self.await_leaders(name, partitions)

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


def free_ports(count: int) -> list[int]:
    """Loopback ports that nobody has, all different.

    They lie below the ports a system gives to outgoing connections, so that none takes one while the broker is down.
    """
    ports = []
    for port in random.sample(range(20_000, 32_000), 1_000):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        ports.append(port)
        if len(ports) == count:
            return ports
    raise BrokerError("no free port between 20000 and 32000 on 127.0.0.1")
