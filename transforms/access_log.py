"""HTTP access-log events: the worked example. To add a topic of your own, copy this file and its test."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.json_records import json_records
from transforms.quality import reject_if

REQUEST = """
    event_id    STRING    NOT NULL,
    ts          TIMESTAMP NOT NULL,
    client_ip   STRING,
    method      STRING    NOT NULL,
    path        STRING    NOT NULL,
    status      INT       NOT NULL,
    bytes       BIGINT,
    duration_ms DOUBLE,
    user_agent  STRING,
    referer     STRING,
    user_id     STRING
"""


def access_log(records: DataFrame) -> DataFrame:
    """One typed row for each request served; `dt` and `hr` follow `ts`."""
    return (
        records
        .transform(json_records(REQUEST, event_time="ts"))
        .transform(reject_if({
            "no event_id": no_event_id,
            "bad status": bad_status,
            "negative bytes": negative_bytes,
            "negative duration": negative_duration,
        }))
    )  # fmt: skip


def no_event_id() -> Column:
    return F.trim("event_id") == ""


def bad_status() -> Column:
    return ~F.col("status").between(100, 599)


def negative_bytes() -> Column:
    return F.col("bytes") < 0


def negative_duration() -> Column:
    return F.col("duration_ms") < 0
