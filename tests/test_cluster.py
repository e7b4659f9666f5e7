import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.kit.cluster import Cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def values(cluster: Cluster, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "test", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = consumer.consume(count, timeout=20)
    consumer.close()
    return [message.value() for message in messages]


def settles(condition, patience: float = 30) -> bool:
    end = time.monotonic() + patience
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


def test_a_topic_outlives_its_leader(cluster):
    cluster.create_topic("led")
    cluster.produce("led", [(None, b"before", None, None, 0)])
    dead = cluster.leader("led")
    dead.kill()
    assert settles(lambda: cluster.leader("led") not in (dead, None))
    cluster.produce("led", [(None, b"while", None, None, 0)])
    assert values(cluster, "led", 2) == [b"before", b"while"]
    dead.start()
    assert settles(lambda: len(cluster.partitions("led")[0].isrs) == 3)
    cluster.leader("led").kill()
    assert settles(lambda: cluster.leader("led") is not None and len(cluster.partitions("led")[0].isrs) == 2)
    assert values(cluster, "led", 2) == [b"before", b"while"]
