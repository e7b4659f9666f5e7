"""`spark-submit tests/soak/stock.py sink|append <flags of the job>`: the same query without our sink.

It goes into Spark's own file sink, or each batch is appended, as most jobs do it, with Spark's defaults. Under kills
both must come out wrong for a reader that lists files, or the oracle is blind.
"""

import json
import sys

from pyspark.sql import DataFrame, SparkSession

from jobs import contract
from jobs.arguments import parse
from jobs.flags import AVAILABLE_NOW


def main(kind: str, *flags: str) -> int:
    settings = parse([*flags])
    function, _ = contract.loaded(settings)
    spark = SparkSession.builder.config("spark.sql.session.timeZone", "UTC").getOrCreate()
    reader = {
        "kafka.bootstrap.servers": settings.bootstrap_servers,
        "subscribe": ",".join(settings.topics),
        "startingOffsets": "earliest",
        "includeHeaders": "true",
        "maxOffsetsPerTrigger": str(settings.max_records or 2**40),
    }
    records = spark.readStream.format("kafka").options(**reader).load()
    rows = records.transform(contract.completed(spark, function, settings))
    drains = settings.trigger == AVAILABLE_NOW
    trigger = {"availableNow": True} if drains else {"processingTime": f"{settings.trigger} milliseconds"}
    writer = rows.writeStream.option("checkpointLocation", f"{settings.state}/checkpoint").trigger(**trigger)

    def append(batch: DataFrame, number: int) -> None:
        batch.write.mode("append").partitionBy(*settings.partition_by).parquet(settings.table)

    if kind == "append":
        query = writer.foreachBatch(append).start()
    else:
        query = writer.partitionBy(*settings.partition_by).format("parquet").start(settings.table)
    print(json.dumps({"event": "started"}), flush=True)
    batch = -1
    while not query.awaitTermination(0.2):
        if query.lastProgress and query.lastProgress["batchId"] != batch:
            batch = query.lastProgress["batchId"]
            print(json.dumps({"batch": batch}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
