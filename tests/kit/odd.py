"""Transforms that only a test would write."""

import os

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from transforms.envelope import ENVELOPE, REJECT


def marked(records: DataFrame) -> DataFrame:
    """As little as a transform can do: an id out of the text, and what has none is bad."""
    text = F.col("_value").cast("string")
    reason = F.when(~text.startswith("id-"), "no id").when(text.isNull(), "tombstone")
    return records.select(*ENVELOPE, text.alias("id"), reason.alias(REJECT))


def straggles(records: DataFrame) -> DataFrame:
    """`marked`; of all attempts at the record `id-60` the first waits, deaf to interrupts, for the file `gate`.

    Before it waits it makes the link `first` to the name of its executor. Both are in the folder STRAGGLER.
    """
    folder = os.environ["STRAGGLER"]
    executor = java("java.lang.System", "getProperty", F.lit("executor"))
    linked = java("org.apache.hadoop.fs.FileUtil", "symLink", executor, F.lit(f"{folder}/first"))
    opened = java("org.apache.kafka.common.utils.Utils", "readFileAsString", F.lit(f"{folder}/gate"))
    slept = java("org.apache.hadoop.util.ThreadUtil", "sleepAtLeastIgnoreInterrupts", F.lit(100).cast("long"))
    tenths = F.sequence(F.lit(1), F.lit(3000))
    look = F.coalesce(opened, F.when(slept != "null", slept))  # nothing comes back from the sleep
    waited = F.aggregate(tenths, F.lit(None).cast("string"), lambda seen, _: F.coalesce(seen, look))
    return records.transform(marked).withColumn("waited", F.when(F.col("id") == "id-60", F.when(linked == "0", waited)))


def java(owner: str, method: str, *arguments: Column) -> Column:
    """What a static method of Java returns, as text; null for an exception."""
    return F.try_reflect(F.lit(owner), F.lit(method), *arguments)


def lenient(records: DataFrame) -> DataFrame:
    """`marked`, mended: whatever has a value is good."""
    reason = F.when(F.col("_value").isNull(), "tombstone")
    return records.select(*ENVELOPE, F.hex("_value").alias("id"), reason.alias(REJECT))


def by_value(records: DataFrame) -> DataFrame:
    """The record's text is its partition."""
    return records.select(
        *ENVELOPE, F.col("_value").cast("string").alias("place"), F.lit(None).cast("string").alias(REJECT)
    )


def breaks(records: DataFrame) -> DataFrame:
    """Good as a plan, but no record gets through it."""
    return records.transform(by_value).withColumn("n", F.raise_error(F.concat(F.lit("broken: "), "place")).cast("int"))


def drops_some(records: DataFrame) -> DataFrame:
    return records.transform(by_value).where(F.col("_offset") % 7 != 3)


def repeats_some(records: DataFrame) -> DataFrame:
    return records.transform(by_value).withColumn("n", F.explode(F.sequence(F.lit(1), F.col("_offset") % 2 + 1)))


def deduplicates(records: DataFrame) -> DataFrame:
    return records.transform(by_value).dropDuplicates(["place"])


def forgets_the_offset(records: DataFrame) -> DataFrame:
    return records.transform(by_value).drop("_offset")


def reads_the_value(records: DataFrame) -> DataFrame:
    return records.transform(by_value).withColumn("_value", F.col("_value").cast("string"))


def renames_the_topic(records: DataFrame) -> DataFrame:
    return records.transform(by_value).withColumn("_topic", F.regexp_replace("_topic", "^prod[.]", ""))


def dates_in_milliseconds(records: DataFrame) -> DataFrame:
    return records.transform(by_value).withColumn("_event_time", F.lit(1_793_491_200_000))


def has_an_empty_array(records: DataFrame) -> DataFrame:
    return records.transform(by_value).withColumn("tags", F.array())


def has_an_interval(records: DataFrame) -> DataFrame:
    return records.transform(by_value).withColumn("took", F.struct(F.make_interval().alias("time")))


def names_anew(records: DataFrame) -> DataFrame:
    """The envelope under other names and back, a date for its time: nothing of it is changed."""
    away = records.select(*(F.col(name).alias(f"x{name}") for name in ENVELOPE))
    back = away.select(*(F.col(f"x{name}").alias(name) for name in ENVELOPE))
    return back.transform(by_value).withColumn("_event_time", F.to_date(F.lit("2026-11-01")))


def raises(records: DataFrame) -> DataFrame:
    return records.transform(by_value).select("nothing")
