"""`spark-submit tests/bench/stock.py sink|append …`: the job that most teams write first, with Spark's defaults.

    --bootstrap HOST:PORT --topic T --table URI --checkpoint URI [--max-records N] [--trigger MS]

`sink` is Spark's own file sink, `append` a foreachBatch that appends. Without a trigger it drains.
"""

import argparse
import json
import sys

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.streaming import StreamingQueryListener

from jobs.session import look_up

SCHEMA = (
    "event_id STRING, ts TIMESTAMP, client_ip STRING, method STRING, path STRING, status INT, bytes BIGINT, "
    "duration_ms DOUBLE, user_agent STRING, referer STRING, user_id STRING"
)
PROVENANCE = ("topic", "partition", "offset", "timestamp")


def main() -> None:
    asked = arguments()
    spark = SparkSession.builder.appName("stock").config("spark.sql.session.timeZone", "UTC").getOrCreate()
    spark.sparkContext.setLogLevel("WARN")
    reader = {
        "kafka.bootstrap.servers": asked.bootstrap,
        "subscribe": asked.topic,
        "startingOffsets": "earliest",
        **({"maxOffsetsPerTrigger": asked.max_records} if asked.max_records else {}),
    }
    if asked.kind == "sink":
        look_up(spark._jvm)  # what tells of its batches is the bench's own, and shall cost it little
    spark.streams.addListener(Told())
    rows = typed(spark.readStream.format("kafka").options(**reader).load())
    trigger = {"availableNow": True} if asked.trigger is None else {"processingTime": f"{asked.trigger} milliseconds"}
    writer = rows.writeStream.option("checkpointLocation", asked.checkpoint).trigger(**trigger)

    def append(batch: DataFrame, number: int) -> None:
        batch.write.mode("append").partitionBy("dt", "hr").parquet(asked.table)

    if asked.kind == "append":
        query = writer.foreachBatch(append).start()
    else:
        query = writer.partitionBy("dt", "hr").format("parquet").start(asked.table)
    query.awaitTermination()
    spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()  # Spark tells of the last batch a little later


def typed(records: DataFrame) -> DataFrame:
    provenance = [F.col(name).alias(f"_{name}") for name in PROVENANCE]
    rows = records.select(F.from_json(F.col("value").cast("string"), SCHEMA).alias("event"), *provenance)
    dated = rows.select("event.*", *(f"_{name}" for name in PROVENANCE))
    return dated.withColumn("dt", F.to_date("ts")).withColumn("hr", F.date_format("ts", "HH"))


class Told(StreamingQueryListener):
    """Prints each batch: the query's own list keeps the last hundred only."""

    def onQueryStarted(self, event):
        pass

    def onQueryIdle(self, event):
        pass

    def onQueryTerminated(self, event):
        pass

    def onQueryProgress(self, event):
        progress = event.progress
        if progress.numInputRows:
            print(json.dumps({"batch": progress.batchId, "rows_in": progress.numInputRows}), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("sink", "append"))
    for flag in ("bootstrap", "topic", "table", "checkpoint"):
        parser.add_argument(f"--{flag}", required=True)
    parser.add_argument("--max-records", type=int)
    parser.add_argument("--trigger", type=int, metavar="MS")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
