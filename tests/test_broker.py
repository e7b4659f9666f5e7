import os
import subprocess
import sys
import time

import pytest
from confluent_kafka import TIMESTAMP_CREATE_TIME

from tests.kit.broker import Broker, BrokerError

YEAR_3000 = 32_503_680_000_000


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


def is_running(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_is_produced_comes_back_as_it_was(broker):
    records = [
        (b"k\x00", b"v\xff\n", [("h", b"\x00\x01"), ("h", b""), ("none", None)], 1, 0),
        (None, None, None, YEAR_3000, 1),
        (b"", b"", None, 1_600_000_000_123, 1),
        (None, b"x" * 19_000_000, None, 1_600_000_000_123, 0),
    ]
    broker.create_topic("bytes", 2)
    assert broker.produce("bytes", records) == 4
    assert broker.end_offsets("bytes") == {0: 2, 1: 2}
    back = [
        (m.key(), m.value(), m.headers(), m.timestamp(), m.partition(), m.offset()) for m in broker.consumed("bytes")
    ]
    seen = {0: 0, 1: 0}
    expected = []
    for key, value, headers, timestamp, partition in records:
        expected.append((key, value, headers, (TIMESTAMP_CREATE_TIME, timestamp), partition, seen[partition]))
        seen[partition] += 1
    assert back == sorted(expected, key=lambda row: row[-2:])


def test_old_events_stay_unless_the_topic_says_otherwise(broker):
    days = [(None, bytes(1000), None, 1 + day * 86_400_000, 0) for day in range(3000)]
    for topic, config in {"old": {}, "fleeting": {"retention_ms": 1}}.items():
        broker.create_topic(topic, 1, **config)
        broker.produce(topic, days)
    assert len([name for name in os.listdir(broker.folder / "data/old-0") if name.endswith(".log")]) == 1
    end = time.monotonic() + 15
    while broker.start_offsets("fleeting") != {0: 3000} and time.monotonic() < end:
        time.sleep(0.1)
    assert broker.start_offsets("fleeting") == {0: 3000}
    assert broker.start_offsets("old") == {0: 0}
    assert len(broker.consumed("old")) == 3000


def test_partitions_are_added_and_records_deleted(broker):
    broker.create_topic("growing", 1)
    broker.produce("growing", [(None, b"%d" % i, None, None, 0) for i in range(10)])
    broker.add_partitions("growing", 3)
    broker.produce("growing", [(None, b"new", None, None, 2)])
    broker.delete_records("growing", {0: 8})
    assert broker.start_offsets("growing") == {0: 8, 1: 0, 2: 0}
    assert broker.end_offsets("growing") == {0: 10, 1: 0, 2: 1}
    assert [m.value() for m in broker.consumed("growing")] == [b"8", b"9", b"new"]


def test_a_record_that_is_too_large_is_an_error(broker):
    broker.create_topic("small", 1, max_message_bytes=1000)
    with pytest.raises(BrokerError, match=r"1 of 1 records were not taken: .*MSG_SIZE_TOO_LARGE"):
        broker.produce("small", [(None, bytes(2000), None, None, 0)])
    assert broker.end_offsets("small") == {0: 0}


def test_a_killed_broker_comes_back_with_its_data(broker):
    broker.create_topic("kept", 3)
    broker.produce("kept", [(b"%d" % i, b"%d" % i, None, 1 + i, None) for i in range(1000)])
    address, ends, pid = broker.bootstrap, broker.end_offsets("kept"), broker.process.pid
    broker.kill()
    assert not is_running(pid)
    broker.start()
    assert broker.bootstrap == address
    assert broker.end_offsets("kept") == ends
    assert sorted(int(m.value()) for m in broker.consumed("kept")) == list(range(1000))


def test_stop_leaves_no_process(broker):
    pid, watcher = broker.process.pid, broker.watcher
    broker.stop()
    assert not is_running(pid)
    assert watcher.poll() is not None
    assert (broker.folder / "data/.kafka_cleanshutdown").exists()


def test_a_failed_start_shows_the_log(broker):
    broker.stop()
    settings = broker.properties.read_text()
    broker.properties.write_text(settings + "num.io.threads=nonsense\n")
    with pytest.raises(BrokerError, match=r"(?s)did not start.*nonsense"):
        broker.start()
    broker.properties.write_text(settings)


def test_the_broker_dies_with_its_parent(tmp_path):
    parent = (
        "import sys, os, signal; from tests.kit.broker import Broker\n"
        "broker = Broker(sys.argv[1]).__enter__(); print(broker.process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    pid = int(subprocess.run([sys.executable, "-c", parent, tmp_path], capture_output=True, text=True).stdout)
    end = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(pid)
