"""Transforms that only a test would write."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.envelope import ENVELOPE, REJECT


def marked(records: DataFrame) -> DataFrame:
    """As little as a transform can do: an id out of the text, and what has none is bad."""
    text = F.col("_value").cast("string")
    reason = F.when(~text.startswith("id-"), "no id").when(text.isNull(), "tombstone")
    return records.select(*ENVELOPE, text.alias("id"), reason.alias(REJECT))


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


def raises(records: DataFrame) -> DataFrame:
    return records.transform(by_value).select("nothing")
