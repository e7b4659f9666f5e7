"""Asks a broker for its topics, once for each argument, a line of flags; the answers are one JSON a line."""

import json
import shlex
import sys

from pyspark.sql import SparkSession

from jobs import brokers
from jobs.connection import connected
from jobs.settings import Refused, parse

BASE = "--transform transforms.raw:raw --table /tmp/table"

if __name__ == "__main__":
    spark = SparkSession.builder.getOrCreate()
    for line in sys.argv[1:]:
        try:
            settings = parse(shlex.split(f"{BASE} {line}"))
            said = brokers.Brokers(spark, settings, connected(settings)).partitions()
        except Refused as refused:
            said = str(refused)
        print(json.dumps(said), flush=True)
    spark.stop()
