from datetime import datetime, timezone

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from transforms.envelope import ENVELOPE, EVENT_TIME, KAFKA, dated, enveloped

pytestmark = pytest.mark.usefixtures("ansi")

SENT = datetime(2026, 11, 1, 23, 59, 59, tzinfo=timezone.utc)


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Kathmandu"])
def zone(request, spark):
    spark.conf.set("spark.sql.session.timeZone", request.param)
    yield request.param
    spark.conf.set("spark.sql.session.timeZone", "UTC")


def test_kafkas_columns_become_the_envelope_unchanged(spark):
    row = (b"k", b"v", "t", 1, 2, SENT, 0, [("h", b"\xff")])
    out = spark.createDataFrame([row], KAFKA).transform(enveloped)
    expected = spark.createDataFrame([("t", 1, 2, SENT, b"k", b"v", [("h", b"\xff")])], out.schema)
    assert out.columns == ENVELOPE
    assert_df_equality(out, expected)


def test_day_and_hour_are_utc_in_any_session_time_zone(spark, zone):
    sent = 1793577599  # 2026-11-01T23:59:59Z
    cases = [
        # event time (µs since 1970), _timestamp (s), dt, hr
        (None, sent, "2026-11-01", "23"),
        (1793491200_000000, sent, "2026-11-01", "00"),
        (1793491199_999999, sent, "2026-10-31", "23"),
        (1793511000_000000, sent, "2026-11-01", "05"),  # clocks go back in New York: 01:30 comes twice
        (1793514600_000000, sent, "2026-11-01", "06"),
        (-1, sent, "1969-12-31", "23"),
        (-62135596800_000000, sent, "0001-01-01", "00"),
        (253402300799_999999, sent, "9999-12-31", "23"),
        (253402300800_000000, sent, "+10000-01-01", "00"),
        (9223372036854775807, sent, "+294247-01-10", "04"),
        (-9223372036854775808, sent, "-290308-12-21", "19"),
        (None, None, None, None),
    ]
    expected = spark.createDataFrame(cases, "event long, sent long, dt string, hr string")
    times = expected.select(
        "event",
        "sent",
        F.timestamp_micros("event").alias(EVENT_TIME),
        F.timestamp_seconds("sent").alias("_timestamp"),
    )
    assert_df_equality(times.transform(dated).select("event", "sent", "dt", "hr"), expected)


def test_without_an_event_time_column_kafkas_timestamp_dates_the_record(records):
    out = records(b"").transform(dated).select("dt", "hr")
    assert [tuple(row) for row in out.collect()] == [("2026-11-01", "12")]


def test_a_day_or_hour_that_the_transform_made_stays(records):
    out = records(b"").withColumn("dt", F.lit("today")).transform(dated).select("dt", "hr")
    assert [tuple(row) for row in out.collect()] == [("today", "12")]
