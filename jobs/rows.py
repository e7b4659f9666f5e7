"""What is asked of a batch's rows as they pass, which of them are meant, and the folders that they are staged in."""

import struct
import threading

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from jobs.offsets import Positions
from transforms.envelope import REJECT

BIT = "pmod(_offset, 32768)"  # of a record in the bitmap of a batch's rejected ones, as wide as Spark makes it
PATIENCE_S = 300


def watched(rows: DataFrame) -> tuple[DataFrame, Observation]:
    """The rows, counted as they pass.

    That also keeps the filter on `_reject` behind the transform: Spark would move it in front and parse each record
    anew for every rule that looks at it.
    """
    seen = Observation()
    bitmap = F.expr(f"bitmap_construct_agg(CASE WHEN {REJECT} IS NOT NULL THEN {BIT} END)")
    return rows.observe(
        seen, F.count(F.lit(1)).alias("in"), F.count(REJECT).alias("rejected"), bitmap.alias("bitmap")
    ), seen


def marked(bitmap: bytes) -> Column:
    """Whether a record's bit is set: that of each rejected one is, and few others unless many were rejected."""
    words = ", ".join(f"{word}L" for (word,) in struct.iter_unpack("<q", bitmap))
    return F.expr(f"getbit(get(array({words}), int({BIT} div 64)), int({BIT} % 64)) = 1")


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


def folded(partition_by: tuple[str, ...]) -> Column:
    """One column in the place of several, so that staging's folders are one level deep: each costs S3 six requests.

    Neither the columns' names nor their values have a comma; `settings` and `contract` refuse others.
    """
    return F.concat_ws(",", *(F.col(column).cast("string") for column in partition_by)).alias(",".join(partition_by))


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
