"""`spark-submit tests/kit/reads.py QUESTIONS ANSWERS`: what Spark's Kafka reader gets, in one session.

QUESTIONS is JSON, name → the reader's options; ANSWERS becomes name → the values read, or the text of the error.
"""

import json
import sys
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession


def main(questions: str, answers: str) -> None:
    spark = SparkSession.builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    asked = json.loads(Path(questions).read_text())
    Path(answers).write_text(json.dumps({name: answer(spark, options) for name, options in asked.items()}))


def answer(spark: SparkSession, options: dict[str, str]) -> list[str] | str:
    try:
        rows = spark.read.format("kafka").options(**options).load().select("value").collect()
        return [bytes(row.value).decode() for row in rows]
    except (PySparkException, Py4JError) as error:
        return str(error)


if __name__ == "__main__":
    main(*sys.argv[1:])
