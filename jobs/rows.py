"""What is asked of a batch's rows as they pass, which of them are meant, and how and where they are staged.

What every batch needs is SQL text: each Python call that makes a Column is a round trip to the JVM.
"""

import threading

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.offsets import Positions
from transforms.envelope import FIELDS, PROVENANCE, RAW, REJECT, utc_day
from transforms.schema import quoted

PATIENCE_S = 300
ASIDE = ",rejected"  # the folder of rejected records in staging; no partition value is empty or has a comma
SET_ASIDE = T.StructType([FIELDS[name] for name in PROVENANCE])
PACKED = T.StructType([FIELDS[name] for name in ("_topic", *RAW)]).add(REJECT, T.StringType())
# A reason may quote a longer text than Jackson takes by itself.
WHOLE = {"mode": "FAILFAST", "maxStringLen": str(2**31 - 1), "columnNameOfCorruptRecord": "_broken"}


def watched(rows: DataFrame) -> tuple[DataFrame, Observation]:
    """The rows, counted as they pass."""
    seen = Observation()
    return rows.observe(seen, F.expr("count(1) AS `in`"), F.expr(f"count({REJECT}) AS rejected")), seen


def observed(seen: Observation) -> dict:
    """What was counted. Spark tells it through a queue that drops events when it is full, and would wait for ever."""
    told: list[dict | Exception] = []

    def wait() -> None:
        try:
            told.append(seen.get)
        except Exception as error:
            told.append(error)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(PATIENCE_S)
    if not told:
        raise OSError(f"Spark didn't tell within {PATIENCE_S} s how many rows it wrote; the batch is not committed")
    if isinstance(told[0], Exception):
        raise told[0]
    return told[0]


def packed() -> str:
    """`_topic`, and of a rejected record all that the quarantine needs and the table has no column for, as JSON.

    So both are written in one pass over Kafka; a column of its own would be in the table's files for ever.
    """
    parts = ", ".join(("_topic", *RAW, REJECT))
    return f"CASE WHEN {REJECT} IS NULL THEN _topic ELSE to_json(struct({parts})) END AS _topic"


def unpacked(rows: DataFrame, transform: str) -> DataFrame:
    """The quarantine's rows for those that were set aside; one that can't be read as it was written is an error."""
    day = utc_day(rows)
    return rows.withColumn("record", F.from_json("_topic", PACKED, WHOLE)).select(
        "record._topic",
        *PROVENANCE[1:],
        *(f"record.{name}" for name in RAW),
        F.col(f"record.{REJECT}").alias("reason"),
        F.lit(transform).alias("transform"),
        F.when(day.rlike("^[0-9]{4}-"), day).alias("dt"),  # no day that a reader couldn't take for a date
    )


def folded(partition_by: tuple[str, ...]) -> str:
    """One column in the place of several, so that staging's folders are one level deep: each costs S3 six requests.

    A rejected record's value is `ASIDE`. Neither the columns' names nor other values have a comma; `settings` and
    `contract` refuse those.
    """
    values = f"concat_ws(',', {', '.join(f'cast({quoted(column)} AS STRING)' for column in partition_by)})"
    return f"CASE WHEN {REJECT} IS NULL THEN {values} ELSE '{ASIDE}' END AS {quoted(','.join(partition_by))}"


def unfolded(folder: str) -> str:
    """The folders in the table for the one in staging: `dt,hr=2026-11-01,04` becomes `dt=2026-11-01/hr=04`."""
    names, _, values = folder.partition("=")
    return "/".join(map("=".join, zip(names.split(","), values.split(","), strict=True)))


def beyond(positions: Positions) -> Column:
    """Whether a row's record is not in the table yet."""
    known = [(f"{topic}-{p}", offset) for topic, partitions in positions.items() for p, offset in partitions.items()]
    key = F.concat_ws("-", "_topic", F.col("_partition").cast("string"))
    starts = F.create_map(*(F.lit(item) for pair in known for item in pair))
    return F.col("_offset") >= F.coalesce(F.try_element_at(starts, key), F.lit(0))
