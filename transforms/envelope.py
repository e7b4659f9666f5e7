"""The Kafka record as `_` columns, and the UTC day and hour it belongs to."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

# What Spark's Kafka source yields with includeHeaders; `headers` is null for a record without any.
KAFKA = T.StructType(
    [
        T.StructField("key", T.BinaryType()),
        T.StructField("value", T.BinaryType()),
        T.StructField("topic", T.StringType()),
        T.StructField("partition", T.IntegerType()),
        T.StructField("offset", T.LongType()),
        T.StructField("timestamp", T.TimestampType()),
        T.StructField("timestampType", T.IntegerType()),
        T.StructField("headers", T.ArrayType(T.StructType().add("key", T.StringType()).add("value", T.BinaryType()))),
    ]
)
ENVELOPE = ["_topic", "_partition", "_offset", "_timestamp", "_key", "_value", "_headers"]
PROVENANCE, RAW = ENVELOPE[:4], ENVELOPE[4:]
FIELDS = {f"_{field.name}": T.StructField(f"_{field.name}", field.dataType) for field in KAFKA}
REJECT = "_reject"
EVENT_TIME = "_event_time"

SECONDS_A_DAY = 24 * 60 * 60


def enveloped(records: DataFrame) -> DataFrame:
    """Kafka's columns under names that no topic's own columns have."""
    return records.select(*(F.col(name[1:]).alias(name) for name in ENVELOPE))


def dated(records: DataFrame) -> DataFrame:
    """Adds `dt` (yyyy-MM-dd) and `hr` (HH) in UTC, each unless the transform made its own.

    They come from `_event_time` where it is set, else from Kafka's `_timestamp`. A year outside 1 to 9999 gives an odd
    text (`+10000-01-01`), never an error.
    """
    made = {"dt": utc_day, "hr": utc_hour}
    own = {column.lower() for column in records.columns}  # Spark would put `hr` in the place of an `HR`
    return records.withColumns({name: column(records) for name, column in made.items() if name not in own})


def utc_day(records: DataFrame) -> Column:
    return F.date_from_unix_date(F.floor(epoch_seconds(records) / SECONDS_A_DAY).cast("int")).cast("string")


def utc_hour(records: DataFrame) -> Column:
    second_of_day = F.pmod(epoch_seconds(records), F.lit(SECONDS_A_DAY))
    return F.lpad(F.floor(second_of_day / 3600).cast("string"), 2, "0")


def epoch_seconds(records: DataFrame) -> Column:
    """Whole seconds: date_format would follow the session's time zone, arithmetic can't."""
    times = [name for name in (EVENT_TIME, "_timestamp") if name in records.columns]
    return F.unix_seconds(F.coalesce(*times))
