"""What the driver asks of Hadoop's file systems: the checkpoint's offset log and the footers of staged files."""

import hashlib
import json
import tempfile
from contextlib import contextmanager

from pyspark.sql import SparkSession

from jobs import offsets
from jobs.offsets import Positions, Ranges
from jobs.settings import Settings


def uri(place: str) -> str:
    """`place` as Spark takes it: a bare path would mean HDFS on a cluster."""
    return place if "://" in place else f"file://{place}"


class OffsetLog:
    """The batches that Spark planned, from the running query's checkpoint; a batch is written there before it runs.

    Every start of a query has a checkpoint of its own, for the ledger knows where to go on. In one that two drivers
    shared, each could find the other's plan under the number of its own batch: nothing guards those files on S3.
    """

    def __init__(self, spark: SparkSession, settings: Settings):
        self.spark = spark
        folder = settings.checkpoint
        self.own = None if folder else tempfile.TemporaryDirectory(prefix="floodmark-")  # gone at the job's own end
        self.state = hashlib.sha256(settings.state.encode()).hexdigest()[:8]
        self.folder = uri(folder or self.own.name)
        self.checkpoint = ""
        self.latest: tuple[int, Positions] = (-1, {})

    def begin(self, name: str) -> str:
        """An empty folder for `name`, the checkpoint from now on; those of earlier starts on this state are gone."""
        folder, configuration = _path(self.spark, self.folder)
        files = folder.getFileSystem(configuration)
        for status in files.listStatus(folder) if files.exists(folder) else []:
            if status.getPath().getName().startswith(f"{self.state}-"):
                files.delete(status.getPath(), True)
        self.checkpoint = f"{self.folder}/{self.state}-{name}"
        self.latest = (-1, {})
        return self.checkpoint

    def ranges(self, batch_id: int) -> Ranges:
        """The offsets that batch `batch_id` reads."""
        known, start = self.latest
        if known != batch_id - 1 or batch_id == 0:
            # The source's own first offsets stand in a file that begins with a zero byte, for old Sparks.
            start = self._offsets("sources/0/0" if batch_id == 0 else f"offsets/{batch_id - 1}")
        end = self._offsets(f"offsets/{batch_id}")
        self.latest = (batch_id, end)
        return offsets.between(start, end)

    def size(self, ranges: Ranges) -> int:
        """How many records there may be: no fewer than there are."""
        return offsets.size(ranges)

    def _offsets(self, name: str) -> Positions:
        lines = read(self.spark, f"{self.checkpoint}/{name}").lstrip("\0").splitlines()
        return offsets.by_partition(json.loads(lines[-1]))


def read(spark: SparkSession, uri: str) -> str:
    path, configuration = _path(spark, uri)
    stream = path.getFileSystem(configuration).open(path)
    try:
        return spark._jvm.org.apache.commons.io.IOUtils.toString(stream, "UTF-8")
    finally:
        stream.close()


def prove(spark: SparkSession, folder: str) -> None:
    """Spark can write a file below `folder`, move, read and delete it, as it does in a checkpoint; it is gone."""
    (half, configuration), (whole, _) = (_path(spark, f"{folder}/{name}") for name in ("half", "whole"))
    files = whole.getFileSystem(configuration)
    stream = files.create(half, False)
    stream.write(b"probe")
    stream.close()
    if not files.rename(half, whole) or read(spark, f"{folder}/whole") != "probe" or not files.delete(whole, False):
        raise OSError(f"{folder}: what Spark writes there it can't move, read or delete")


def remove(spark: SparkSession, folder: str) -> None:
    path, configuration = _path(spark, folder)
    path.getFileSystem(configuration).delete(path, True)


def rows(spark: SparkSession, uri: str) -> int:
    """The rows of a Parquet file by its footer: proof that the file can be opened."""
    with _parquet(spark, uri) as reader:
        return reader.getRecordCount()


def outgrown(spark: SparkSession, uri: str) -> set[str]:
    """The columns of a Parquet file that had too many values for a dictionary, dotted where they are nested."""
    with _parquet(spark, uri) as reader:
        chunks = [chunk for block in reader.getFooter().getBlocks() for chunk in block.getColumns()]
        pages = {chunk.getPath().toDotString(): chunk.getEncodingStats() for chunk in chunks}
        return {name for name, kinds in pages.items() if kinds.hasNonDictionaryEncodedPages()}


@contextmanager
def _parquet(spark: SparkSession, uri: str):
    parquet = spark._jvm.org.apache.parquet.hadoop
    reader = parquet.ParquetFileReader.open(parquet.util.HadoopInputFile.fromPath(*_path(spark, uri)))
    try:
        yield reader
    finally:
        reader.close()


def _path(spark: SparkSession, uri: str):
    return spark._jvm.org.apache.hadoop.fs.Path(uri), spark._jsc.hadoopConfiguration()
