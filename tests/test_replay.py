"""A range of a topic, or a quarantine, once more through a mended transform into another table."""

import json
import shlex
import signal
from collections import Counter

import pytest

from jobs import replay
from jobs.offsets import Start
from jobs.settings import Refused
from jobs.store import Local
from jobs.writer import Places, Writer
from tests.kit.events import Event
from tests.kit.job import Job
from tests.kit.pipeline import START_MS, Pipeline
from tests.test_ingest import DRAIN

LENIENT = "tests.kit.odd:lenient"


def again(pipeline: Pipeline, *flags: str, dies: tuple[str, ...] = ()) -> int:
    """Runs a replay into the table beside the pipeline's own; its exit code."""
    script = ("tests/kit/dies.py", "replay", *dies) if dies else ("jobs/replay.py",)
    return pipeline.job.run("--table", f"{pipeline.table}_2", "--transform", LENIENT, *flags, script=script)


def found(pipeline: Pipeline, columns: str, root: str = "table") -> list[tuple]:
    """What is in the second table, or in its quarantine."""
    oracle = pipeline.oracle
    oracle.roots = {"table": f"{pipeline.table}_2", "quarantine": f"{pipeline.table}_2_quarantine"}
    return sorted(oracle.select(root, columns))


def everything(pipeline: Pipeline) -> list[tuple]:
    columns = "_partition, _offset"
    return sorted(found(pipeline, columns) + found(pipeline, columns, "quarantine"))


@pytest.mark.newest
def test_a_range_that_was_cut_short_is_replayed_exactly_and_the_job_goes_on_behind_it(folder, broker):
    pipeline = Pipeline(folder, broker)
    pipeline.send(300)
    bounds = [json.dumps({pipeline.topic: {"0": n, "2": n}}) for n in (10, 60)]
    flags = ("--from", bounds[0], "--to", bounds[1], "--max-records", "40")
    assert again(pipeline, *flags, dies=("staged", "1")) == -signal.SIGKILL, pipeline.job.said()
    assert again(pipeline, *flags, dies=("half published", "1")) == -signal.SIGKILL, pipeline.job.said()
    assert again(pipeline, *flags) == 0, pipeline.job.said()
    rows = everything(pipeline)
    assert rows == [(p, offset) for p in (0, 2) for offset in range(10, 60)]
    assert again(pipeline, *flags) == 0 and everything(pipeline) == rows, "nothing is left to replay"

    # The partition that the replay left out is new to the table: it is read from its first record.
    assert pipeline.job.run(*DRAIN, "--table", f"{pipeline.table}_2", "--transform", LENIENT) == 0
    assert everything(pipeline) == [(p, n) for p in range(3) for n in range(p != 1 and 10, 100)]


@pytest.mark.newest
def test_a_range_of_time_ends_before_its_end(folder, broker):
    pipeline = Pipeline(folder, broker, partitions=1)
    pipeline.send_events([Event(b"k", b"id", [], START_MS + n * 60_000, None) for n in range(60)])
    hours = ("--from", "2026-11-01T00:10:00Z", "--to", "2026-11-01T00:30:00Z")
    assert again(pipeline, *hours) == 0, pipeline.job.said()
    assert everything(pipeline) == [(0, n) for n in range(10, 30)]


@pytest.mark.newest
def test_a_quarantine_is_replayed_exactly_and_once(folder, broker):
    """In batches, killed in one of them, and again when more has been rejected; no broker is asked."""
    pipeline = Pipeline(folder, broker)
    ingest = pipeline.job
    flags = ("--quarantine-of", pipeline.table, "--max-records", "100")

    def assert_replayed() -> None:
        key = "_topic, _partition, _offset"
        bad = {key: event.value for key, event in pipeline.sent.items() if event.reason}
        good_now = {key: value.hex().upper() for key, value in bad.items() if value is not None}
        assert {row[:3]: row[3] for row in found(pipeline, f"{key}, id")} == good_now
        assert {row[:3] for row in found(pipeline, key, "quarantine")} == bad.keys() - good_now.keys()

    pipeline.send(600)
    assert ingest.run(*DRAIN, "--max-records", "200") == 0, ingest.said()
    pipeline.job = Job(folder, "--table", pipeline.table)
    assert again(pipeline, *flags, dies=("after the record", "1")) == -signal.SIGKILL, pipeline.job.said()
    assert again(pipeline, *flags) == 0, pipeline.job.said()
    assert_replayed()
    pipeline.send(200)
    assert ingest.run(*DRAIN) == 0, ingest.said()
    assert again(pipeline, *flags) == 0, pipeline.job.said()
    assert_replayed()


@pytest.mark.soak
def test_what_was_rejected_of_topics_that_are_gone_is_replayed_too(folder, broker):
    """Of a topic that was deleted the ledger has no offsets any more; of one created again it has only the new ones."""
    pipeline = Pipeline(folder, broker, partitions=1)
    again_, gone = f"{pipeline.topic}-again", f"{pipeline.topic}-gone"
    pipeline.send(10)
    pipeline.job.flags += ("--topics", f"{pipeline.topic},{again_},{gone}", "--on-data-loss", "record")
    ingest = pipeline.job
    for topic in (again_, gone):
        broker.create_topic(topic)
        broker.produce(topic, [(None, b"old", None, START_MS, 0)] * 10)
    assert ingest.run(*DRAIN) == 0, ingest.said()
    for topic in (again_, gone):
        broker.delete_topic(topic)
    broker.create_topic(again_)
    broker.produce(again_, [(None, b"new", None, START_MS, 0)] * 3)
    assert ingest.run(*DRAIN) == 0, ingest.said()
    pipeline.job = Job(folder, "--table", pipeline.table)
    assert again(pipeline, "--quarantine-of", pipeline.table) == 0, pipeline.job.said()
    rows = Counter((topic, bytes.fromhex(id_)) for topic, id_ in found(pipeline, "_topic, id"))
    assert rows[again_, b"old"] == rows[gone, b"old"] == 10 and rows[again_, b"new"] == 3


def test_a_replay_goes_on_at_its_tables_positions_and_begins_what_it_does_not_know_where_the_range_does():
    begin = {"a": {0: 500, 1: 500}, "b": {0: 7}}
    assert replay.within(begin, {"a": {0: 600}, "c": {0: 1}}) == {"a": {0: 600, 1: 500}, "b": {0: 7}}
    assert replay.within(begin, None) == begin


def test_a_topic_that_was_created_again_since_the_last_replay_is_not_passed_over(tmp_path):
    """Its offsets begin at 0 once more, which the new table seems to hold."""
    Writer(Local(), Places(f"{tmp_path}/t", f"{tmp_path}/q", f"{tmp_path}/t_state"), "app").claim(
        lambda positions, ids: Start(positions={"t": {0: 3}, "u": {0: 3}}, ids={"t": "new", "u": "same"})
    )
    settings = replay.parse([
        "--quarantine-of", f"{tmp_path}/t", "--table", f"{tmp_path}/again", "--transform", "transforms.raw:raw",
    ])  # fmt: skip
    quarantine = replay.Quarantine(None, settings)
    assert quarantine.resumed({"u": {0: 3}}, {"t": "old", "u": "same"}).ids == {"t": "new", "u": "same"}
    with pytest.raises(Refused, match="--table: t: created again since"):
        quarantine.resumed({"t": {0: 10}}, {"t": "old", "u": "same"})


TOPIC = "--bootstrap-servers b:9092 --topics t"


@pytest.mark.parametrize(
    "given, said",
    {
        "": "--bootstrap-servers: give it, or --quarantine-of",
        f"{TOPIC} --trigger 60s": "--trigger: is not for a replay",
        f"{TOPIC} --consumer-group g": "--consumer-group: is not for a replay",
        f"{TOPIC} --starting latest": "--starting: is not for a replay",
        f"{TOPIC} --from yesterday": "--from: 'yesterday' is not earliest, latest or a time",
        f"""{TOPIC} --from '{{"t": 5}}'""": """--from: '{"t": 5}' are not offsets, like {"topic": {"0": 120""",
        f"""{TOPIC} --to '{{"t": {{"0": -2}}}}'""": "--to: ",
        "--quarantine-of /tmp/first --topics t": "--topics: does not go with --quarantine-of",
        "--quarantine-of /tmp/first --to latest --from 2026-11-01T00:00:00Z": "--from: does not go with",
        "--quarantine-of /tmp/again": "--table: /tmp/again is the table whose quarantine is replayed",
    }.items(),
)
def test_a_mistake_is_one_line_that_names_the_flag(given, said):
    with pytest.raises(Refused) as refused:
        replay.parse(["--table", "/tmp/again", "--transform", "transforms.raw:raw", *shlex.split(given)])
    assert str(refused.value).startswith(said)


@pytest.mark.newest
def test_what_cannot_be_replayed_is_one_line(folder, broker):
    pipeline = Pipeline(folder, broker, partitions=1)
    pipeline.send(10)
    assert again(pipeline, "--to", json.dumps({pipeline.topic: {"0": 11}})) == 2
    assert f"replay.py: --to: {pipeline.topic}-0 ends at offset 10, before 11" in pipeline.job.said()
    assert again(pipeline, "--transform", "tests.kit.odd:breaks") == 1
    last = pipeline.job.said().splitlines()[-1]
    assert last.startswith("replay.py: ") and "broken: id-" in last and "Traceback" not in pipeline.job.said()
