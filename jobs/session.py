"""The one SparkSession builder: every setting with its reason; what `spark-submit --conf` says wins."""

import os
from collections.abc import Mapping

from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext, __version__
from pyspark.sql import SparkSession

from jobs.refusals import causes

STREAMING = "org.apache.spark.sql.execution.streaming"
SECRETS = (
    "secret|password|passphrase|token|access[.]?key|jaas|keystore|truststore|ssl[.]key|private[.]key|client[._]?id"
)
# What Spark writes as redacted. What spark-submit was told is kept and added to: it may hide more, never less.
REDACTED = {
    # A setting or an option with this in its name or value: the UI's environment, the event log, Kafka's connector.
    "spark.redaction.regex": f"(?i){SECRETS}",
    # An option of a plan.
    "spark.sql.redaction.options.regex": f"(?i){SECRETS}",
    # A plan's text: the options of a source's old kind, which the plan carries along, stand there as a plain map. From
    # the first such option to the map's end nothing is left, whatever a value has in it.
    "spark.sql.redaction.string.regex": rf"(?is)[^\s(]*({SECRETS})\S* -> .*?(?=\),None\)|$)",
}
SETTINGS = {
    # Event time and partitions are UTC wherever the job runs.
    "spark.sql.session.timeZone": "UTC",
    # Spark's default, INT96, is deprecated and read wrongly by some engines.
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    # A record of the year 1 is data: without this Spark 3.5 stops on it.
    "spark.sql.parquet.datetimeRebaseModeInWrite": "CORRECTED",
    # `make bench`: half the bytes of a table in Spark's default, snappy.
    "spark.sql.parquet.compression.codec": "zstd",
    # Rejected records may be large: the vectorized reader would hold 4,096 at once, and the writer, which looks at a
    # page's size after its first row, a hundred.
    "spark.sql.parquet.enableVectorizedReader": "false",
    "spark.hadoop.parquet.page.size.row.check.min": "1",
    # One open file for each partition value instead of a sort of every row; beyond this many Spark sorts.
    "spark.sql.maxConcurrentOutputFileWriters": "32",
    # Staging belongs to one driver and is checked before the commit, so files may go there as each task ends.
    "spark.hadoop.mapreduce.fileoutputcommitter.algorithm.version": "2",
    "spark.hadoop.mapreduce.fileoutputcommitter.marksuccessfuljobs": "false",
    # The folder of a batch's staging goes as a whole: three LISTs fewer.
    "spark.hadoop.mapreduce.fileoutputcommitter.cleanup.skipped": "true",
    # Names in staging are new, so S3A needn't look first whether something is there: a sixth fewer requests a batch.
    "spark.hadoop.fs.s3a.performance.flags": "create,delete,mkdir",
    # A call to S3 that can't succeed ends after minutes, for the query can always start again: by itself S3A would wait
    # a day for a store that says 503 (the twentieth wait is twice the nineteenth), an hour for one that says nothing.
    "spark.hadoop.fs.s3a.attempts.maximum": "3",
    "spark.hadoop.fs.s3a.retry.limit": "4",
    "spark.hadoop.fs.s3a.retry.throttle.limit": "7",
    "spark.hadoop.fs.s3a.connection.establish.timeout": "15000",
    "spark.hadoop.fs.s3a.connection.timeout": "30000",
    # An idle query with a zero trigger would ask the brokers a hundred times a second.
    "spark.sql.streaming.pollingDelay": "200ms",
    "spark.log.level": "WARN",
}
LOCAL = {
    "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
    # For a checkpoint in a local folder Spark's own choice starts `chmod` three times a batch where Hadoop's native
    # library is missing, as it is in the wheel: an eighth of the time of a small batch.
    "spark.sql.streaming.checkpointFileManagerClass": (
        f"{STREAMING}{'.checkpointing' if __version__ >= '4.1' else ''}.FileSystemBasedCheckpointFileManager"
    ),
}
# When a query dies the job itself says why, in a line; these would print a page of stack before it.
QUERY_LOGGERS = [
    f"{STREAMING}.MicroBatchExecution",
    f"{STREAMING}.runtime.MicroBatchExecution",
]
# Their warnings are of what is meant to be, or what the job says itself.
NOISY_LOGGERS = [
    "org.apache.kafka.clients.NetworkClient",  # twice a second while a broker is away
    "org.apache.spark.scheduler.DAGScheduler",  # a query that is stopped has no jobs to cancel
    f"{STREAMING}.ResolveWriteToStream",  # no adaptive plans in a stream
    f"{STREAMING}.runtime.ResolveWriteToStream",
    "org.apache.parquet.hadoop.MemoryManager",  # many partition values share the writers' memory
]

# What batches ask the JVM for, here and inside PySpark. By itself py4j asks again every time, step by step, and the JVM
# looks for a package as for a class, in every jar: a sixth of the CPU time of batches of a thousand records.
LOOKED_UP = [
    "functions",
    "PythonUtils",
    "java.util.ArrayList",
    "java.util.HashMap",
    "org.apache.commons.io.IOUtils",
    "org.apache.hadoop.fs.Path",
    "org.apache.kafka.clients.admin.AlterConsumerGroupOffsetsOptions",
    "org.apache.kafka.clients.consumer.OffsetAndMetadata",
    "org.apache.kafka.common.TopicPartition",
    "org.apache.parquet.hadoop.ParquetFileReader",
    "org.apache.parquet.hadoop.util.HadoopInputFile",
    "org.apache.spark.sql.Observation",
    "org.apache.spark.util.Utils",
    "py4j.reflection.TypeUtil",  # whenever PySpark makes a Java exception its own, as at the end of each Java map
]


def session(name: str) -> SparkSession:
    """The session; where Spark runs on a local master, `s3://` is served by S3A as it is on EMR.

    Raises `OSError` when Spark doesn't start.
    """
    SparkContext._ensure_initialized()  # before it, a SparkConf doesn't know what spark-submit was told
    submitted = SparkConf()
    settings = SETTINGS | endpoint(os.environ)
    if submitted.get("spark.master", "local[*]").startswith("local"):
        settings |= LOCAL
    builder = SparkSession.builder.appName(name)
    for key, value in settings.items():
        if not submitted.contains(key):
            builder = builder.config(key, value)
    for key, pattern in REDACTED.items():
        told = submitted.get(key)
        builder = builder.config(key, f"{told}|{pattern}" if told else pattern)
    try:
        spark = builder.getOrCreate()
    except Py4JJavaError as error:  # Spark has written the stack of it
        *_, (kind, why) = causes(error.java_exception)
        raise OSError(f"Spark doesn't start: {kind}: {why}") from None
    look_up(spark._jvm)
    log4j = spark._jvm.org.apache.logging.log4j
    for name in QUERY_LOGGERS:
        log4j.core.config.Configurator.setLevel(name, log4j.Level.OFF)
    for name in NOISY_LOGGERS:
        log4j.core.config.Configurator.setLevel(name, log4j.Level.ERROR)
    return spark


def look_up(jvm) -> None:
    """Keeps each name as an attribute: of such a one py4j doesn't ask the JVM."""
    for name in LOOKED_UP:
        found = jvm
        for step in name.split("."):
            setattr(found, step, getattr(found, step))
            found = getattr(found, step)


def endpoint(environment: Mapping[str, str]) -> dict[str, str]:
    """S3A set as the same environment sets boto3."""
    options = {}
    url = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if url:
        options = {"spark.hadoop.fs.s3a.endpoint": url, "spark.hadoop.fs.s3a.path.style.access": "true"}
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    if region:
        options["spark.hadoop.fs.s3a.endpoint.region"] = region
    return options
