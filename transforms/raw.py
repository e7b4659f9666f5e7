"""Bytes as they came: for topics that aren't JSON, or that must be kept to the byte."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.envelope import ENVELOPE, REJECT


def raw(records: DataFrame) -> DataFrame:
    """`key`, `value` and `headers` of every record, unread; nothing is ever rejected."""
    return records.select(
        F.col("_key").alias("key"),
        F.col("_value").alias("value"),
        F.col("_headers").alias("headers"),
        F.lit(None).cast("string").alias(REJECT),
        *ENVELOPE,
    )
