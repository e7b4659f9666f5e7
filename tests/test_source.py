"""What Spark's Kafka reader is told."""

import json
import shlex

import pytest

from jobs.arguments import parse
from jobs.connection import connected
from jobs.source import gathered, options

BASE = "--bootstrap-servers b:9092 --transform transforms.raw:raw --table /tmp/table"


def told(flags: str, positions=None) -> dict[str, str]:
    settings = parse(shlex.split(f"{BASE} {flags}"))
    return options(settings, connected(settings), positions or {"t": {0: 5, 1: 0}})


def test_the_reader_starts_at_the_positions_and_never_skips():
    made = told("--topics t,u", {"t": {0: 5, 1: 0}, "u": {0: 0}})
    assert json.loads(made["startingOffsets"]) == {"t": {"0": 5, "1": 0}, "u": {"0": 0}}
    assert (made["subscribe"], made["failOnDataLoss"], made["includeHeaders"]) == ("t,u", "true", "true")
    assert told("--topics t --group-prefix logs-reader")["groupIdPrefix"] == "logs-reader"
    assert "subscribePattern" not in made and "maxOffsetsPerTrigger" not in made


def test_a_pattern_takes_whole_names():
    made = told("--topics-pattern 'logs[.].*|orders'")
    assert made["subscribePattern"] == "^(?:logs[.].*|orders)$" and "subscribe" not in made


def test_limits_become_the_readers_own():
    made = told("--topics t --min-records 10 --max-wait 90s --max-records 50")
    limits = {name: made[name] for name in ("minOffsetsPerTrigger", "maxTriggerDelay", "maxOffsetsPerTrigger")}
    assert limits == {"minOffsetsPerTrigger": "10", "maxTriggerDelay": "90000ms", "maxOffsetsPerTrigger": "50"}


def test_an_option_of_the_user_wins_over_the_tuning():
    assert told("--topics t")["kafka.fetch.max.wait.ms"] == "5"
    made = told("--topics t --kafka-option fetch.max.wait.ms=500 --kafka-option minPartitions=8")
    assert (made["kafka.fetch.max.wait.ms"], made["minPartitions"]) == ("500", "8")


@pytest.mark.parametrize(
    ("master", "conf", "flags", "parts"),
    [
        ("local[2]", {}, "", 2),
        ("local[2]", {}, "--kafka-option minPartitions=64", 64),
        ("yarn", {"spark.executor.instances": "2", "spark.executor.cores": "4"}, "", 8),
        ("yarn", {"spark.executor.instances": "3"}, "", 3),
        ("yarn", {"spark.executor.instances": "1", "spark.dynamicAllocation.enabled": "True"}, "", 64),
        ("spark://m:7077", {"spark.executor.cores": "4"}, "", 64),
    ],
)
def test_gathered_records_have_no_more_parts_than_the_job_has_cores(spark, monkeypatch, master, conf, flags, parts):
    monkeypatch.setattr(spark.sparkContext, "master", master)
    monkeypatch.setattr(spark.sparkContext, "getConf", lambda: conf)
    settings = parse(shlex.split(f"{BASE} --topics t {flags}"))
    assert gathered(spark.range(0, 64, 1, 64), settings).rdd.getNumPartitions() == parts
