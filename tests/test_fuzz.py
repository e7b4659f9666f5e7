"""Whatever stands in a topic, on a command line or in a ledger is taken or named; it breaks and loses nothing."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs import arguments, ledger
from jobs.contract import completed
from jobs.settings import Refused, Settings
from tests.kit.malformed import MALFORMED
from tests.kit.odd import by_value
from tests.test_ledger import BATCH, CLAIM, GAP
from transforms.access_log import access_log
from transforms.envelope import ENVELOPE, REJECT
from transforms.json_records import json_records
from transforms.raw import raw


def as_json(rows):
    return rows.transform(json_records("status INT, ts TIMESTAMP, path STRING", event_time="ts"))


def test_each_value_of_the_corpus_is_taken_or_rejected_for_its_reason(ansi, records):
    rows = records(*(value for value, _ in MALFORMED.values())).transform(as_json).orderBy("_offset").collect()
    found = dict(zip(MALFORMED, (row[REJECT] for row in rows), strict=True))
    assert found == {what: reason for what, (_, reason) in MALFORMED.items()}


@pytest.mark.parametrize("transform", [raw, access_log, as_json, by_value], ids=["raw", "access_log", "json", "text"])
def test_no_value_of_the_corpus_is_lost_or_changed(transform, ansi, records):
    came = records(*(value for value, _ in MALFORMED.values()))
    assert came.transform(transform).select(ENVELOPE).collect() == came.collect()


@given(values=st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=140), min_size=100, max_size=200))
@settings(max_examples=3, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_a_text_becomes_a_folder_only_if_every_engine_reads_it_as_itself(spark, records, values):
    asked = Settings(
        bootstrap_servers="b:1", topics=("t",), transform="tests.kit.odd:by_value", table="/t", partition_by=("place",)
    )
    values += [".", "..", "a/b", "%2F", "a\n", "__HIVE_DEFAULT_PARTITION__", "a", "A.b_c-9", "x" * 128, "x" * 129]
    came = records(*map(str.encode, values)).withColumnsRenamed({name: name[1:] for name in ENVELOPE})
    rows = came.transform(completed(spark, by_value, asked)).orderBy("_offset").collect()
    safe = re.compile(r"(?!\.{1,2}$|__HIVE)[A-Za-z0-9_.-]{1,128}")
    assert [(row.place, row[REJECT] is None) for row in rows] == [(v, bool(safe.fullmatch(v))) for v in values]


FLAGS = [action.option_strings[0] for action in arguments.parser("", "")._actions if action.option_strings[0] != "-h"]
WORDS = st.sampled_from(
    ["", "0", "-1", "60s", "1h", "s3://lake/a", "s3://lake/a/b", "/tmp/x", "a,b", ",", "{", "iam", "a INT", "arn:aws:"]
) | st.text(max_size=20)
MEANT = ["--bootstrap-servers", "b:1", "--topics", "t", "--transform", "transforms.raw:raw", "--table", "s3://lake/t"]


@given(given=st.lists(st.tuples(st.sampled_from(FLAGS), WORDS), max_size=4))
@settings(max_examples=1500, deadline=None, database=None)
def test_a_command_line_is_settings_or_one_line(given):
    try:
        found = arguments.parse([*MEANT, *(f"{flag}={word}" for flag, word in given)])
    except Refused as refused:
        assert "\n" not in str(refused)
    else:
        assert isinstance(found, Settings)


@given(
    record=st.sampled_from([BATCH, CLAIM, GAP]),
    at=st.integers(0, 2_000),
    length=st.integers(0, 40),
    instead=st.binary(max_size=8) | st.sampled_from([b"null", b"{}", b"[]", b'"a"', b"-1", b"1e9", b"[" * 5_000]),
)
@settings(max_examples=600, deadline=None, database=None)
def test_a_damaged_record_is_a_record_or_unreadable(record, at, length, instead):
    data = ledger.encoded(record)
    at %= len(data)
    try:
        found = ledger.decoded(record.seq, data[:at] + instead + data[at + length :])
    except ledger.Unreadable as unreadable:
        assert "is damaged" in str(unreadable)
    else:
        assert found.seq == record.seq
