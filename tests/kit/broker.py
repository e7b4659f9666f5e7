"""A real one-node Kafka broker (KRaft) on free loopback ports, gone when its `with` ends or its parent dies."""

import atexit
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from confluent_kafka import KafkaException

from emr import jars
from tests.kit.topics import MIB, BrokerError, Topics

FOREVER = (1 << 63) - 1
CLUSTER = "Zmxvb2RtYXJrLXRlc3RzLQ"

# Fast to start, on small memory: a broker of tests lives for seconds.
JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.showDateTime=true"]

SETTINGS = {
    "process.roles": "broker,controller",
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
    "log.cleaner.backoff.ms": 500,
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

# Reads a line, and then all is well; an end without a line means that the parent is dead.
WATCHER = 'read -r line || kill -s KILL -- "-$1"'


class Broker(Topics):
    """A broker whose properties, data and log lie in `folder`; it runs inside `with`, or from `start` to `stop`."""

    node = 1
    listeners: Mapping[str, str] = {"plaintext": "PLAINTEXT"}  # name → security protocol
    jvm: Sequence[str] = JVM
    formatted: Sequence[str] = ()  # what more the storage tool is told

    def __init__(self, folder: Path | str, java_home: str | None = None):
        self.folder = Path(folder).absolute()
        self.log = self.folder / "broker.log"
        self.java = f"{java_home or jars.java_home()}/bin/java"
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Broker":
        self.listen()
        self.format()
        self.start()
        return self

    def listen(self) -> None:
        """The broker's addresses are chosen."""
        names = [*self.listeners, "controller"]
        ports = free_ports(len(names))
        self.addresses = {name: f"127.0.0.1:{port}" for name, port in zip(names, ports, strict=True)}
        self.bootstrap = self.at("plaintext")

    def format(self) -> None:
        """The broker's folder is ready for a first start."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.properties.write_text("".join(f"{name}={value}\n" for name, value in self.settings().items()))
        with self.log.open("ab") as log:
            tool = [*self.command, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(self.properties)]
            if subprocess.run([*tool, *self.formatted], stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode:
                raise BrokerError(f"the broker's storage could not be formatted:\n{self.last_words()}")
        self.connect()

    def __exit__(self, *raised) -> None:
        self.kill()

    def at(self, listener: str) -> str:
        return self.addresses[listener]

    @property
    def voter(self) -> str:
        return f"{self.node}@{self.at('controller')}"

    def settings(self) -> dict:
        """The broker's properties; the addresses are known by now."""
        at = {name: f"{name.upper()}://{address}" for name, address in self.addresses.items()}
        protocols = {**self.listeners, "controller": "PLAINTEXT"}
        return SETTINGS | {
            "node.id": self.node,
            "listeners": ",".join(at.values()),
            "advertised.listeners": ",".join(at[name] for name in self.listeners),
            "listener.security.protocol.map": ",".join(f"{n.upper()}:{kind}" for n, kind in protocols.items()),
            "controller.quorum.voters": self.voter,
            "log.dirs": self.folder / "data",
        }

    @property
    def properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def command(self) -> list[str]:
        return [self.java, *self.jvm, "-cp", os.pathsep.join(jars.paths(["broker"]))]

    def start(self) -> None:
        """The broker answers, on its own port and with the data it had."""
        self.launch()
        self.await_answer()

    def launch(self) -> None:
        """The broker's process runs."""
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

    def await_answer(self, patience: float = 60) -> None:
        """`answers` is true; a broker that has ended, or takes too long, is an error."""
        end = time.monotonic() + patience
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise BrokerError(f"the broker did not start:\n{self.last_words()}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether the broker knows itself, and a leader of every partition."""
        host, port = self.bootstrap.split(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
            known = self.admin.list_topics(timeout=5)
            for topic in known.topics:
                self.end_offsets(topic)
            return self.node in known.brokers
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
