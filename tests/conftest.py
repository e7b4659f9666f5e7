"""What tests share, each made when the first test asks for it: a Spark session, a Kafka broker, an S3."""

from contextlib import suppress

import pytest

from tests.kit.broker import Broker
from tests.kit.job import ARCHIVE, LINE
from tests.kit.pipeline import Pipeline
from tests.kit.s3 import S3Server

# What Spark has no part in, or a part that takes long to show, is tested on one of its lines.
ONCE = (
    "auth",
    "bench",
    "broker",
    "cluster",
    "connection",
    "emr_pages",
    "faults",
    "full",
    "jars",
    "local",
    "lock",
    "msk_page",
    "network",
    "package",
    "policies",
    "protocol",
    "query",
    "rebuild",
    "refusals",
    "requests",
    "runs",
    "submit",
    "store",
    "writer",
    "zombies",
)


def pytest_ignore_collect(collection_path, config):
    once = collection_path.stem.removeprefix("test_") in ONCE
    return True if once and spares(config) else None


def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.get_closest_marker("newest") and spares(config):
            item.add_marker(pytest.mark.skip(reason="shown on Spark 4.1"))


def spares(config) -> bool:
    """Whether what another Spark line shows is left out; the soak leaves out nothing."""
    return LINE != "4.1" and config.option.markexpr == "not soak"


SETTINGS = {
    "spark.master": "local[2]",
    "spark.ui.enabled": "false",  # no port, no seconds for it
    "spark.driver.host": "127.0.0.1",  # the machine's name needn't resolve
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # start fast, don't optimise
    "spark.sql.shuffle.partitions": "1",  # a task for each of 200 empty partitions costs more than the test
    "spark.sql.session.timeZone": "UTC",  # what a test prints doesn't depend on where it runs
}


@pytest.fixture(scope="session")
def spark():
    from pyspark.sql import SparkSession

    session = SparkSession.builder.config(map=SETTINGS).getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.fixture(params=["ansi on", "ansi off"])
def ansi(request, spark):
    """The test runs twice: with ANSI mode on as in Spark 4, and off as in 3.5."""
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", str(request.param == "ansi on").lower())
    yield
    spark.conf.set("spark.sql.ansi.enabled", before)


@pytest.fixture
def records(spark):
    """A function: these values as the envelope of a topic's records, one after the other."""
    from datetime import datetime

    from transforms.envelope import KAFKA, enveloped

    def of(*values: bytes | None):
        sent = datetime(2026, 11, 1, 12)
        headers = [("producer", b"\xff\x00")]
        rows = [(b"key", value, "topic", 3, offset, sent, 0, headers) for offset, value in enumerate(values)]
        return spark.createDataFrame(rows, KAFKA).transform(enveloped)

    return of


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """A real Kafka broker, the same for all tests: each has a topic of its own."""
    with Broker(tmp_path_factory.mktemp("broker")) as broker:
        with suppress(FileExistsError):
            ARCHIVE.with_suffix(".made").touch(exist_ok=False)  # by one of the test processes
            pipeline = Pipeline(tmp_path_factory.mktemp("archive"), broker)
            pipeline.send(100)
            pipeline.job.archive("--trigger", "available-now")
        yield broker


@pytest.fixture(scope="session")
def s3(tmp_path_factory):
    """A real S3 over HTTP, the same for all tests: each has a prefix of its own."""
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def folder(tmp_path):
    """An empty folder; its name is free for a topic or a prefix too."""
    return tmp_path
