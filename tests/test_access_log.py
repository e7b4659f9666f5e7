import json
from datetime import datetime

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from tests.kit.events import BROKEN, access_log_events
from transforms.access_log import REQUEST, access_log
from transforms.envelope import ENVELOPE, EVENT_TIME, REJECT, dated

pytestmark = pytest.mark.usefixtures("ansi")

GOOD = {
    "event_id": "0f8f-1",
    "ts": "2026-11-01T00:30:00.250+01:00",
    "client_ip": "10.2.3.4",
    "method": "GET",
    "path": "/",
    "status": 200,
    "bytes": 5_000_000_000,
    "duration_ms": 12,
    "user_agent": "curl/8.14.1",
    "referer": None,
    "user_id": None,
}


def event(**changes) -> bytes:
    return json.dumps(GOOD | changes).encode()


def test_a_request_becomes_a_typed_row_dated_by_its_own_time(records, spark):
    at = datetime(2026, 10, 31, 23, 30, 0, 250_000)
    typed = ("0f8f-1", at, "10.2.3.4", "GET", "/", 200, 5_000_000_000, 12.0, "curl/8.14.1", None, None)
    expected = spark.createDataFrame(
        [(*typed, at, None, "2026-10-31", "23")],
        f"{REQUEST}, {EVENT_TIME} timestamp, {REJECT} string, dt string, hr string",
    )
    out = records(event()).transform(access_log).transform(dated).drop(*ENVELOPE)
    assert_df_equality(out, expected, ignore_nullable=True)


def test_each_rule_names_what_it_rejects(records, spark):
    cases = [
        (event(), None),
        (event(client_ip=None, bytes=None, duration_ms=None, user_agent=None), None),
        (event(status=100), None),
        (event(status=599), None),
        (event(bytes=0, duration_ms=0), None),
        (b"", "empty value"),
        (b"null", "not a json object"),
        (b"{}", "missing: event_id"),
        (event(event_id=""), "no event_id"),
        (event(event_id=" "), "no event_id"),
        (event(event_id=7), "wrong type: event_id"),
        (event(ts=None), "missing: ts"),
        (event(ts="today"), "wrong type: ts"),
        (event(ts="9999-12-31T23:59:59-01:00"), "bad event time: ts"),
        (event(status=99), "bad status"),
        (event(status=600), "bad status"),
        (event(status="200"), "wrong type: status"),
        (event(bytes=-1), "negative bytes"),
        (event(bytes=1 << 63), "wrong type: bytes"),
        (event(duration_ms=-0.5), "negative duration"),
        (event(status=0, bytes=-1), "bad status"),
        (event(path=None), "missing: path"),
        (event(method=["GET"]), "wrong type: method"),
    ]
    expected = spark.createDataFrame(cases, f"_value binary, {REJECT} string")
    out = records(*(value for value, _ in cases)).transform(access_log)
    assert_df_equality(out.select("_value", REJECT), expected)


def test_every_way_producers_break_events_is_rejected_for_the_reason_the_kit_says(records, spark):
    sent = list(access_log_events(400, seed=3, broken=0.9))
    assert {event.reason for event in sent} == {None} | {reason for _, reason in BROKEN.values()}
    out = records(*(event.value for event in sent)).transform(access_log)
    expected = spark.createDataFrame([(event.value, event.reason) for event in sent], f"_value binary, {REJECT} string")
    assert_df_equality(out.select("_value", REJECT), expected)


def test_a_kit_event_keeps_its_time(records):
    sent = list(access_log_events(50, seed=4, broken=0))
    out = records(*(event.value for event in sent)).transform(access_log).select(F.unix_millis(EVENT_TIME))
    late = [event.timestamp_ms - row[0] for event, row in zip(sent, out.collect(), strict=True)]
    assert all(0 <= delay < 2000 for delay in late)
