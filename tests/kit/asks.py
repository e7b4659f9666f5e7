"""Asks brokers for their topics, once for each argument, a line of flags: `spark-submit … asks.py`, one JSON a line.

An argument of the form `jaas LINE` gives the options that Kafka's own parser finds in LINE.
"""

import json
import shlex
import sys

from pyspark.sql import SparkSession

from jobs.arguments import parse
from jobs.brokers import Brokers
from jobs.connection import connected
from jobs.settings import Refused


def asked(spark: SparkSession, line: str) -> dict | str:
    try:
        settings = parse(shlex.split(f"--transform transforms.raw:raw --table /tmp/table {line}"))
        held = Brokers(spark, settings, connected(settings)).held()
        return {topic: sorted(offsets) for topic, offsets in held.begin.items()}
    except Refused as refused:
        return str(refused)


def parsed(spark: SparkSession, line: str) -> list[dict]:
    common, properties = spark._jvm.org.apache.kafka.common, spark._jvm.java.util.HashMap()
    properties.put("sasl.jaas.config", common.config.types.Password(line))
    entries = common.security.JaasContext.loadClientContext(properties).configurationEntries()
    return [dict(entry.getOptions()) for entry in entries]


if __name__ == "__main__":
    spark = SparkSession.builder.getOrCreate()
    for argument in sys.argv[1:]:
        kind, _, line = argument.partition(" ")
        answer = parsed(spark, line) if kind == "jaas" else asked(spark, argument)
        print(f"\n{json.dumps(answer)}", flush=True)  # a line of its own, whatever Java has begun to say
    spark.stop()
