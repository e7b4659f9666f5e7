"""Asks brokers for their topics, once for each line of flags: `spark-submit … asks.py FILE LINE …`.

What they answer goes into FILE, a JSON list. `jaas LINE` gives the options that Kafka's own parser finds in LINE.
"""

import json
import shlex
import sys
from pathlib import Path

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
    file, *lines = sys.argv[1:]
    spark = SparkSession.builder.getOrCreate()
    answers = [
        parsed(spark, line.removeprefix("jaas ")) if line.startswith("jaas ") else asked(spark, line) for line in lines
    ]
    Path(file).write_text(json.dumps(answers))
    spark.stop()
