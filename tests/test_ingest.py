"""The whole job on a real broker: what its users see of it, and the faults it goes through."""

import contextlib
import json
import os
import pty
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.kit.events import Event, access_log_events, changed
from tests.kit.job import kill
from tests.kit.oracle import Oracle
from tests.kit.pipeline import START_MS, Pipeline
from tests.kit.s3 import S3Server

DRAIN = ("--trigger", "available-now")
EVERY_SECOND = ("--trigger", "1s")
FENCED, NEEDS_A_PERSON = 3, 4
ACCESS_LOG = "transforms.access_log:access_log"


def wait_until(true, job, patience: float = 300) -> None:
    """Returns once `true()`; the job's own words are the message when it never is."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, job.said()[-3000:]
        time.sleep(0.1)


def complete(pipeline: Pipeline):
    """Whether everything sent so far has been seen in the table or the quarantine."""

    def seen() -> bool:
        pipeline.oracle.look()
        return len(pipeline.oracle.records()) == len(pipeline.sent)

    return seen


def ends(process, job) -> int:
    wait_until(lambda: process.poll() is not None, job)
    return process.returncode


@pytest.mark.newest
def test_on_a_terminal_a_batch_rewrites_one_live_line(folder, broker):
    pipeline = Pipeline(folder, broker)
    pipeline.send(40)
    ours, theirs = pty.openpty()
    process = pipeline.job.start(*DRAIN, terminal=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # EIO: nobody has the terminal open any more
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    assert ends(process, pipeline.job) == 0
    assert "\r\033[Kbatch 0 · 40 in, 38 written, 2 rejected · " in shown.decode(), shown
    pipeline.assert_exact()


def test_a_batch_is_one_line_and_few_files(folder, broker):
    """12 partitions hold rows of 6 hours: not 72 files, but one an hour."""
    pipeline = Pipeline(folder, broker, partitions=12)
    pipeline.send(1200)
    assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    pipeline.assert_exact()
    (batch,) = pipeline.batches()
    assert len(batch.table_files) == 6 and len(batch.quarantine_files) == 1
    lines = [json.loads(line) for line in pipeline.job.said().splitlines() if line.startswith("{")]
    assert [line.get("event") for line in lines] == ["started", None, "ended"]
    assert lines[1].keys() == {
        "batch", "seq", "rows_in", "rows_written", "rows_rejected", "holes", "files", "bytes", "seconds", "lag",
    }  # fmt: skip
    assert (lines[1]["rows_in"], lines[1]["files"], lines[1]["lag"]) == (1200, 7, {pipeline.topic: 0})
    assert lines[1]["seconds"].keys() == {"stage", "check", "commit", "publish"}
    assert {path.name for path in Path(pipeline.state).iterdir()} == {"ledger", "staging"}


@pytest.mark.newest
def test_files_grow_towards_the_target_size(folder, broker):
    """The first batch is a guess; then a batch is cut by what the last one weighed."""
    pipeline = Pipeline(folder, broker)
    pipeline.send(6000)
    drain = (*DRAIN, "--max-records", "3000", "--partition-by", "dt", "--target-file-size", "128KiB")
    assert pipeline.job.run(*drain) == 0, pipeline.job.said()
    pipeline.assert_exact()
    guessed, weighed = (len(batch.table_files) for batch in pipeline.batches())
    size = sum(file.bytes for file in pipeline.batches()[0].table_files)
    assert guessed == 3 and weighed == min(-(-size // (128 * 1024)), 3)


@pytest.mark.newest
@pytest.mark.parametrize("checkpoint", ["the same", pytest.param("another", marks=pytest.mark.soak)])
def test_of_two_drivers_one_goes_on_and_the_other_ends_fenced(checkpoint, folder, broker):
    """Both start on a batch that a killed driver left pending."""
    pipeline = Pipeline(folder, broker)
    pipeline.send(600)
    staged_once = ("tests/kit/dies.py", "ingest", "staged", "1")
    assert pipeline.job.run(*DRAIN, "--max-records", "300", script=staged_once) == -signal.SIGKILL
    places = [folder / "one", folder / ("one" if checkpoint == "the same" else "another")]
    drivers = [pipeline.job.start(*EVERY_SECOND, "--checkpoint", str(place)) for place in places]
    try:
        with pipeline.oracle.watch():
            wait_until(lambda: any(driver.poll() is not None for driver in drivers), pipeline.job)
            (fenced,) = (driver for driver in drivers if driver.poll() is not None)
            (going,) = (driver for driver in drivers if driver is not fenced)
            assert fenced.returncode == FENCED, pipeline.job.said()
            pipeline.send(300)
            wait_until(complete(pipeline), pipeline.job)
            going.terminate()
            assert ends(going, pipeline.job) == 0
    finally:
        for driver in drivers:
            kill(driver)
    pipeline.assert_exact()
    winner = pipeline.records()[-1].writer
    assert f"driver {winner}" in pipeline.job.said() and "this driver stops" in pipeline.job.said()


@pytest.mark.newest
@pytest.mark.parametrize("if_none_match", ["ignored", "refused"])
def test_a_store_that_lets_an_object_be_created_twice_is_refused(if_none_match, folder, broker):
    with S3Server(folder, if_none_match) as s3:
        pipeline = Pipeline(folder, broker, s3)
        pipeline.send(10)
        assert pipeline.job.run(*DRAIN) == NEEDS_A_PERSON
        assert "ingest.py: --state: the store of s3://" in pipeline.job.said()
        assert [*pipeline.oracle.store.files(f"s3://{s3.bucket}/{pipeline.topic}_state")] == []
        assert pipeline.job.run(*DRAIN, "--table", "s3://nobodys-bucket/table") == 2
        said = "--table, --quarantine, --state: there is no bucket nobodys-bucket; make it, or mend its name"
        assert f"ingest.py: {said}" in pipeline.job.said().splitlines()


def test_whatever_happens_to_the_checkpoint_costs_nothing(folder, broker):
    """Cut short, without its commits, deleted under the running job, and ahead of the ledger."""
    pipeline = Pipeline(folder, broker)
    root = folder / "elsewhere"
    drain = (*DRAIN, "--max-records", "150", "--checkpoint", str(root))

    with pipeline.oracle.watch():
        pipeline.send(450)
        assert pipeline.job.run(*drain) == 0, pipeline.job.said()
        (checkpoint,) = root.iterdir()
        max((checkpoint / "offsets").glob("[0-9]*")).write_bytes(b"v1\n{")
        shutil.rmtree(checkpoint / "commits")
        pipeline.send(150)
        job = pipeline.job.start(*EVERY_SECOND, "--checkpoint", str(root))
        try:
            wait_until(complete(pipeline), pipeline.job)
            shutil.rmtree(root, ignore_errors=True)
            pipeline.send(300)
            wait_until(complete(pipeline), pipeline.job)
            job.terminate()
            assert ends(job, pipeline.job) == 0, pipeline.job.said()
        finally:
            kill(job)
        pipeline.assert_exact()
    for place in (pipeline.table, pipeline.quarantine, pipeline.state):
        shutil.rmtree(place)
    again = Pipeline.__new__(Pipeline)
    again.__dict__ |= pipeline.__dict__ | {"oracle": Oracle(folder, pipeline.table, pipeline.quarantine)}
    assert pipeline.job.run(*drain) == 0, pipeline.job.said()
    again.assert_exact()


@pytest.mark.newest
def test_a_pattern_is_of_whole_names_and_other_topics_need_no_other_checkpoint(folder, broker):
    pipeline = Pipeline(folder, broker, partitions=1)
    pipeline.send(100)
    broker.create_topic(f"{pipeline.topic}-more")
    broker.produce(f"{pipeline.topic}-more", [(b"k", b"id-more", None, START_MS, 0)])
    named = pipeline.job.flags
    pipeline.job.flags = tuple({"--topics": "--topics-pattern"}.get(word, word) for word in named)
    assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    pipeline.assert_exact()
    pipeline.job.flags = named
    assert pipeline.job.run(*DRAIN, "--topics", f"{pipeline.topic},{pipeline.topic}-more") == 0, pipeline.job.said()
    counts = pipeline.oracle.select("table", "_topic"), pipeline.oracle.select("quarantine", "_topic")
    assert Counter(counts[0] + counts[1]) == {(pipeline.topic,): 100, (f"{pipeline.topic}-more",): 1}


@pytest.mark.newest
def test_new_partitions_are_read_from_their_first_record(folder, broker):
    """Added while the job runs, and while it is down with a batch pending."""
    pipeline = Pipeline(folder, broker)
    with pipeline.oracle.watch():
        pipeline.send(300)
        job = pipeline.job.start(*EVERY_SECOND, "--kafka-option", "metadata.max.age.ms=1000")
        try:
            wait_until(complete(pipeline), pipeline.job)
            broker.add_partitions(pipeline.topic, 6)
            pipeline.partitions = 6
            pipeline.send(300)
            wait_until(complete(pipeline), pipeline.job)
        finally:
            kill(job)
        pipeline.send(300)
        died = pipeline.job.run(*EVERY_SECOND, script=("tests/kit/dies.py", "ingest", "staged", "0"))
        assert died == -signal.SIGKILL, pipeline.job.said()
        broker.add_partitions(pipeline.topic, 12)
        pipeline.partitions = 12
        pipeline.send(300)
        assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    pipeline.assert_exact()


POISON = {
    b"": "empty value",
    b" ": "empty value",
    None: "tombstone",
    b"{": "not json",
    b'{"event_id": "a"} {}': "not json",
    b"\xff\xfe\x00": "not utf-8",
    b"\x00": "not json",
    b"null": "not a json object",
    b"[" * 200 + b"]" * 200: "not a json object",
    b'{"a":' * 200 + b"1" + b"}" * 200: None,
    b'{"status": NaN}': "not json",
    b'{"bytes": 99999999999999999999}': None,
    b'{"status": "200"}': None,
    b'{"ts": 5}': None,
    b'{"pad": "' + b"x" * (10 * 2**20) + b'"}': None,
}


def test_poison_goes_to_the_quarantine_and_the_stream_goes_on(folder, broker):
    """Every value is bad, batch after batch; then good ones follow, of the first day that can be and of the last."""
    pipeline = Pipeline(folder, broker, transform=ACCESS_LOG, partitions=1)
    poison = [Event(None, value, [("h", b"\xff")], START_MS, why or "?") for value, why in POISON.items()]
    good = access_log_events(50, seed=1, broken=0)
    days = ["0001-01-01T00:00:00.000001", "9999-12-31T23:59:59.999999"]
    edges = [event._replace(value=changed(ts=f"{day}Z")(event.value)) for day, event in zip(days, good, strict=False)]
    pipeline.send_events([*poison, *edges, *good])
    assert pipeline.job.run(*DRAIN, "--max-records", "5") == 0, pipeline.job.said()
    pipeline.oracle.assert_exactly(pipeline.sent)
    pipeline.assert_ledger_is_true()
    columns = "_offset, _key, _value, _headers[1].key, _headers[1].value, reason, transform"
    found = {row[0]: row[1:] for row in pipeline.oracle.select("quarantine", columns)}
    for offset, (value, why) in enumerate(POISON.items()):
        *raw, reason, transform = found.pop(offset)
        assert raw == [None, value, "h", b"\xff"] and transform == ACCESS_LOG
        assert reason == why or (why is None and reason), (value, reason)
    assert not found
    written = sorted(
        pipeline.oracle.select("table", "strftime(ts::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%f'), dt::VARCHAR, hr")
    )
    assert [written[0], written[-1]] == [(days[0], "0001-01-01", "00"), (days[1], "9999-12-31", "23")]


@pytest.mark.newest
def test_only_safe_partition_values_become_folders(folder, broker):
    pipeline = Pipeline(folder, broker, transform="tests.kit.odd:by_value", partitions=1)
    safe = [b"a", b"2026-11-01", b"A.b_c-9", b"x" * 128]
    unsafe = [
        b"..", b".", b"a/b", b"%2F", b"a b", b"a\r\nb", b"a\n", b"", None, b"x" * 129, b"y" * 5120,
        b"__HIVE_DEFAULT_PARTITION__", "ä".encode(), b"a=b", b"\xff",
    ]  # fmt: skip
    pipeline.send_events([Event(b"k", value, [], START_MS, None) for value in safe + unsafe])
    assert pipeline.job.run(*DRAIN, "--partition-by", "place") == 0, pipeline.job.said()
    pipeline.oracle.assert_exactly(pipeline.sent)
    assert sorted(path.name for path in Path(pipeline.table).iterdir()) == sorted(f"place={v.decode()}" for v in safe)
    rejected = pipeline.oracle.select("quarantine", "_value, reason")
    assert Counter(rejected) == Counter((value, "unsafe partition value: place") for value in unsafe)
    pipeline.assert_ledger_is_true()


def staged(pipeline: Pipeline):
    """Whether the job that claimed last is in the middle of a batch: what others left doesn't count, nor its probe."""

    def look() -> bool:
        records, found = pipeline.records(), pipeline.oracle.store.files(f"{pipeline.state}/staging")
        names = [entry.name for entry in found]
        return any(name.startswith(f"{records[-1].writer}-{len(records):012}-") for name in names if records)

    return look


@pytest.mark.newest
def test_a_first_signal_ends_the_job_after_its_batch_and_a_second_at_once(folder, broker):
    pipeline = Pipeline(folder, broker)
    pipeline.send(300)
    job = pipeline.job.start(*EVERY_SECOND, script=("tests/kit/stalls.py", "30"))
    wait_until(staged(pipeline), pipeline.job)
    job.terminate()
    time.sleep(1.5)
    assert job.poll() is None
    while job.poll() is None:  # on a busy machine two may come so late that they are taken for one
        job.terminate()
        time.sleep(1.5)
    assert job.wait() == 128 + signal.SIGTERM
    kill(job)
    assert pipeline.batches() == []

    for n, first in enumerate((signal.SIGINT, signal.SIGTERM)):
        claims = len(pipeline.records())
        job = pipeline.job.start(*EVERY_SECOND, script=("tests/kit/stalls.py", "3"))
        wait_until(lambda: len(pipeline.records()) > claims and staged(pipeline)(), pipeline.job)  # noqa: B023
        job.send_signal(first)
        assert ends(job, pipeline.job) == 0, pipeline.job.said()
        assert len(pipeline.batches()) == n + 1
        pipeline.send(300)
    assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    pipeline.assert_exact()


@pytest.mark.newest
def test_the_marker_ends_the_job_once(folder, broker, s3):
    pipeline = Pipeline(folder, broker, s3)
    pipeline.send(300)
    job = pipeline.job.start(*EVERY_SECOND, script=("tests/kit/stalls.py", "7"))
    try:
        wait_until(staged(pipeline), pipeline.job)
        pipeline.oracle.store.replace(f"{pipeline.state}/stop", b"")  # in mid-batch, which is written all the same
        assert ends(job, pipeline.job) == 0
    finally:
        kill(job)
    assert not pipeline.oracle.store.exists(f"{pipeline.state}/stop")
    assert f'"reason": "{pipeline.state}/stop"' in pipeline.job.said()
    pipeline.assert_exact()


@pytest.mark.newest
def test_a_batch_waits_for_enough_records_or_long_enough(folder, broker):
    pipeline = Pipeline(folder, broker)
    pipeline.send(300)
    job = pipeline.job.start("--min-records", "100", "--max-wait", "10m")
    try:
        wait_until(complete(pipeline), pipeline.job)
        pipeline.send(60)
        time.sleep(4)
        assert len(pipeline.batches()) == 1
        pipeline.send(40)
        wait_until(complete(pipeline), pipeline.job)
        assert [batch.rows_in for batch in pipeline.batches()] == [300, 100]
    finally:
        kill(job)
    pipeline.send(10)
    job = pipeline.job.start("--min-records", "100", "--max-wait", "2s")
    try:
        wait_until(complete(pipeline), pipeline.job)
        pipeline.send(10)
        wait_until(complete(pipeline), pipeline.job)
        job.terminate()
        assert ends(job, pipeline.job) == 0
    finally:
        kill(job)
    pipeline.assert_exact()


@pytest.mark.newest
def test_starting_says_where_a_new_table_begins(folder, broker):
    pipeline = Pipeline(folder, broker, partitions=1)
    at = [START_MS + n * 60_000 for n in range(10)]
    pipeline.send_events([Event(b"k", None, [], ms, "tombstone") for ms in at])
    assert pipeline.job.run(*DRAIN, "--starting", "2026-11-01T00:04:00Z") == 0, pipeline.job.said()
    assert pipeline.oracle.select("quarantine", "min(_offset), count(*)") == [(4, 6)]
    elsewhere = str(folder / "latest")
    assert pipeline.job.run(*DRAIN, "--starting", "latest", "--table", elsewhere) == 0
    pipeline.send_events([Event(b"k", None, [], at[-1], "tombstone")])
    assert pipeline.job.run(*DRAIN, "--starting", "earliest", "--table", elsewhere) == 0
    pipeline.oracle.roots["quarantine"] = f"{elsewhere}_quarantine"
    assert pipeline.oracle.select("quarantine", "_offset") == [(10,)]


@pytest.mark.newest
def test_a_mistake_is_one_line_and_exit_code_2(folder, broker):
    pipeline = Pipeline(folder, broker)
    for flags, said in {
        ("--trigger", "soon"): "ingest.py: --trigger: 'soon' is not a duration: write 500ms, 60s, 5m or 1h",
        ("--auth", "mtls", "--keystore", "/nowhere.p12"): "ingest.py: --keystore: /nowhere.p12 can't be read here: No "
        "such file or directory; on a cluster --files puts it into the working directory under its bare name",
        ("--table", "/proc/x/t"): "ingest.py: --table: /proc/x/t can't be used: No such file or directory",
        ("--topics", "nowhere"): f"ingest.py: --topics: there is no topic nowhere on {broker.bootstrap}",
    }.items():
        pipeline.job.log.unlink(missing_ok=True)
        assert pipeline.job.run(*DRAIN, *flags) == 2
        assert said in pipeline.job.said().splitlines()
        assert "Traceback" not in pipeline.job.said() and "Exception" not in pipeline.job.said()
    assert not any(pipeline.oracle.store.files(pipeline.state))
