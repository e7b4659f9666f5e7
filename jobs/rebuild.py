"""`spark-submit jobs/rebuild.py --table URI`: a lost ledger, made again from the table itself.

Every row carries its topic, partition and offset, so the table itself says where the job has to go on.
"""

import re
import sys
from collections.abc import Iterable
from functools import reduce

from pyspark.sql import DataFrame, DataFrameReader, Row, SparkSession
from pyspark.sql import functions as F

from jobs import exits, flags, hadoop
from jobs.arguments import Parser
from jobs.offsets import Positions, Start
from jobs.rows import ASIDE
from jobs.session import session
from jobs.store import Store, store_of
from jobs.writer import Places, Unusable, Writer

KEY = ["_topic", "_partition"]
RECORD = [*KEY, "_offset"]
OF_ANY_FILE = "_topic STRING, _partition INT, _offset BIGINT"


def main(argv: list[str]) -> int:
    return exits.code("rebuild.py", lambda: rebuild(argv))


def rebuild(argv: list[str]) -> int:
    parser = Parser(prog="rebuild.py", allow_abbrev=False, description=__doc__)
    for place, default in (("table", None), ("quarantine", "<table>_quarantine"), ("state", "<table>_state")):
        parser.add_argument(
            f"--{place}", type=flags.place, required=default is None, help=default and f"default: {default}"
        )
    parser.add_argument("--accept-holes", action="store_true", help="for compacted or transactional topics")
    asked = parser.parse_args(argv)
    places = Places(asked.table, asked.quarantine or f"{asked.table}_quarantine", asked.state or f"{asked.table}_state")
    spark = session(f"rebuild {places.table}")
    spark.conf.set("spark.sql.parquet.enableVectorizedReader", "true")  # three small columns of a whole table
    try:
        positions = rebuilt(spark, places, asked.accept_holes)
    finally:
        spark.stop()
    print(f"the ledger in {places.state} goes on at {positions}")
    return 0


def rebuilt(spark: SparkSession, places: Places, accept_holes: bool = False) -> Positions:
    """A new ledger whose first record claims what the table holds; the positions in it.

    Raises `Unusable` when there is a ledger, when the table holds a record twice, or when offsets are missing between
    those it holds, or are staged only: the job would skip them.
    """
    store = store_of(places.state)
    if any(store.files(f"{places.state}/ledger")):
        raise Unusable(f"--state: {places.state} has a ledger; it is rebuilt only where there is none")
    rows = published(spark, store, places)
    partitions = held(rows).collect()
    check(partitions, accept_holes)
    refuse_staged(rows, store, places)
    writer = Writer(store, places, spark.sparkContext.applicationId)
    writer.prove()
    writer.seq = last_batch(store, places)
    positions = {topic: {row._partition: row.last + 1 for row in partitions if row._topic == topic}
                 for topic in {row._topic for row in partitions}}  # fmt: skip
    if not writer.begin(Start(positions=positions)):
        raise Unusable(f"--state: another driver began a ledger in {places.state} meanwhile")
    return positions


def published(spark: SparkSession, store: Store, places: Places) -> DataFrame:
    """Topic, partition and offset of each row in table and quarantine."""
    roots = [root for root in (places.table, places.quarantine) if any(store.files(root))]
    if not roots:
        raise Unusable(
            f"--table: {places.table} and {places.quarantine} have no files; start the job, it needs no ledger"
        )
    return reduce(DataFrame.union, (files(spark).parquet(hadoop.uri(root)) for root in roots))


def files(spark: SparkSession) -> DataFrameReader:
    """Reads the three columns, whatever the folders and the other columns are."""
    return spark.read.schema(OF_ANY_FILE).option("recursiveFileLookup", "true").option("pathGlobFilter", "*.parquet")


def refuse_staged(rows: DataFrame, store: Store, places: Places) -> None:
    """Nothing that the job would skip is staged and not in the table."""
    folder = f"{places.state}/staging"
    if not any(entry.name.endswith(".parquet") for entry in store.files(folder)):
        return
    whole = ~F.col("_metadata.file_path").contains(f"={ASIDE}/")  # the quarantine has what was set aside
    staged = files(rows.sparkSession).parquet(hadoop.uri(folder)).where(whole)
    missing = staged.join(rows, RECORD, "left_anti")
    first = missing.join(held(rows), KEY).where("_offset < last").orderBy(*RECORD).first()
    if first:
        raise Unusable(
            f"{first._topic}-{first._partition}: offset {first._offset} is in {folder} and not in the "
            "table, which holds later ones: the last batch was not wholly published. Add what is staged to table and "
            f"quarantine (nothing of folders …={ASIDE}), or remove it to do without"
        )


def held(rows: DataFrame) -> DataFrame:
    """For each topic and partition: rows, different offsets, the first offset and the last."""
    return rows.groupBy(*KEY).agg(
        F.count("*").alias("rows"),
        F.countDistinct("_offset").alias("offsets"),
        F.min("_offset").alias("first"),
        F.max("_offset").alias("last"),
    )


def check(partitions: Iterable[Row], accept_holes: bool) -> None:
    for row in partitions:
        where = f"{row._topic}-{row._partition}: the table holds offsets {row.first} to {row.last}"
        if row.rows != row.offsets:
            raise Unusable(
                f"{where}, {row.rows - row.offsets} rows of them twice: the topic was created again, and then nobody "
                "knows which of them came last; or the table was not written by this job alone"
            )
        missing = row.last - row.first + 1 - row.offsets
        if missing and not accept_holes:
            raise Unusable(
                f"{where}, but {missing} between them are missing. A compacted or transactional topic has such holes: "
                "then say --accept-holes. On any other topic the last batch was not wholly published"
            )


def last_batch(store: Store, places: Places) -> int:
    """The highest batch number in the files' names: new batches must not take those names."""
    names = (entry.name.rpartition("/")[2] for root in (places.table, places.quarantine) for entry in store.files(root))
    found = (re.fullmatch(r"(\d{12})-\d{5,}-[0-9a-f]{8}\.parquet", name) for name in names)
    return max((int(match[1]) for match in found if match), default=-1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
