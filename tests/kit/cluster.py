"""A real Kafka cluster of several brokers, any one of which a test may kill."""

from collections.abc import Sequence
from pathlib import Path

from tests.kit.broker import Broker
from tests.kit.topics import Topics


class Member(Broker):
    """One broker of several. While one of three is away, the others elect, lead and take records."""

    voters: Sequence[str] = ()
    replicas = 3

    def __init__(self, folder: Path, node: int):
        super().__init__(folder)
        self.node = node

    def settings(self) -> dict:
        internal = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
        return super().settings() | {
            "controller.quorum.voters": ",".join(self.voters),
            "min.insync.replicas": 2,
            # Three JVMs on two cores: a second of silence is not yet a death.
            "broker.session.timeout.ms": 3000,
            **{f"{topic}.replication.factor": self.replicas for topic in internal},
        }


class Cluster(Topics):
    """`with Cluster(folder) as cluster:` three brokers that answer and know each other; each has every partition."""

    replicas = Member.replicas

    def __init__(self, folder: Path | str):
        self.brokers = {node: Member(Path(folder) / f"broker-{node}", node) for node in range(1, self.replicas + 1)}

    def __enter__(self) -> "Cluster":
        members = self.brokers.values()
        for broker in members:
            broker.listen()
        voters = [broker.voter for broker in members]
        try:
            for broker in members:
                broker.voters = voters
                broker.format()
                broker.launch()
            for broker in members:
                broker.await_answer()
        except BaseException:
            self.__exit__()
            raise
        self.bootstrap = ",".join(broker.bootstrap for broker in members)
        self.connect()
        return self

    def __exit__(self, *raised) -> None:
        for broker in self.brokers.values():
            broker.kill()

    def leader(self, topic: str, partition: int = 0) -> Member | None:
        """The broker that leads the partition now, if the cluster has agreed on one."""
        leaders = {found.id: found.leader for found in self.partitions(topic)}
        return self.brokers.get(leaders[partition])

    def last_words(self) -> str:
        return "\n".join(broker.last_words() for broker in self.brokers.values())
