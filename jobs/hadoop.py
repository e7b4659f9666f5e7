"""What the driver asks of Hadoop's file systems: the checkpoint's offset log and the footers of staged files."""

import json

from pyspark.sql import SparkSession

from jobs import ledger
from jobs.ledger import Positions, Ranges


def uri(place: str) -> str:
    """`place` as Spark takes it: a bare path would mean HDFS on a cluster."""
    return place if "://" in place else f"file://{place}"


class OffsetLog:
    """The batches that Spark planned, from `<checkpoint>/offsets`; a batch is written there before it runs."""

    def __init__(self, spark: SparkSession, checkpoint: str):
        self.spark = spark
        self.checkpoint = uri(checkpoint)
        self.latest: tuple[int, Positions] = (-1, {})

    def ranges(self, batch_id: int) -> Ranges:
        """The offsets that batch `batch_id` reads."""
        known, start = self.latest
        if known != batch_id - 1 or batch_id == 0:
            # The source's own first offsets stand in a file that begins with a zero byte, for old Sparks.
            start = self._offsets("sources/0/0" if batch_id == 0 else f"offsets/{batch_id - 1}")
        end = self._offsets(f"offsets/{batch_id}")
        self.latest = (batch_id, end)
        return ledger.between(start, end)

    def _offsets(self, name: str) -> Positions:
        lines = read(self.spark, f"{self.checkpoint}/{name}").lstrip("\0").splitlines()
        return ledger.by_partition(json.loads(lines[-1]))


def read(spark: SparkSession, uri: str) -> str:
    path, configuration = _path(spark, uri)
    stream = path.getFileSystem(configuration).open(path)
    try:
        return spark._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
    finally:
        stream.close()


def rows(spark: SparkSession, uri: str) -> int:
    """The rows of a Parquet file by its footer: proof that the file can be opened."""
    parquet = spark._jvm.org.apache.parquet.hadoop
    reader = parquet.ParquetFileReader.open(parquet.util.HadoopInputFile.fromPath(*_path(spark, uri)))
    try:
        return reader.getRecordCount()
    finally:
        reader.close()


def _path(spark: SparkSession, uri: str):
    return spark._jvm.org.apache.hadoop.fs.Path(uri), spark._jsc.hadoopConfiguration()
