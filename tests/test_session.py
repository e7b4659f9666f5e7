"""The session's settings, and who wins over whom."""

import json
import os
import subprocess
import sys
from operator import attrgetter
from pathlib import Path

import pytest

from emr.java import java_home
from jobs.session import LOOKED_UP, SETTINGS, endpoint, look_up
from tests.kit.job import Job

SCRIPT = """
from jobs.session import session
spark = session("test")
for name in ("spark.sql.session.timeZone", "spark.sql.parquet.compression.codec", "spark.hadoop.fs.s3.impl"):
    print("found", name, spark.conf.get(name) if "fs.s3" not in name else spark.sparkContext.getConf().get(name))
"""


def test_what_spark_submit_is_told_wins(folder):
    (folder / "show.py").write_text(SCRIPT)
    told = {"spark.sql.session.timeZone": "Europe/Zurich", "spark.hadoop.fs.s3.impl": "example.Own"}
    conf = [word for name, value in told.items() for word in ("--conf", f"{name}={value}")]
    submit = [str(Path(sys.executable).with_name("spark-submit")), "--master", "local[1]", *conf]
    environment = {**os.environ, "JAVA_HOME": java_home(), "PYSPARK_PYTHON": sys.executable}
    said = subprocess.run([*submit, folder / "show.py"], capture_output=True, text=True, env=environment).stdout
    found = dict(line.split()[1:] for line in said.splitlines() if line.startswith("found"))
    codec = "spark.sql.parquet.compression.codec"
    assert found == {**told, codec: SETTINGS[codec]}


PLAN = """
import json, sys
from jobs.session import session
options = json.loads(sys.argv[1])
frame = session("test").readStream.format("kafka").options(subscribe="t", **options).load()
print(frame.select("value")._jdf.queryExecution().toString())
"""
SECRET = {
    "kafka.sasl.jaas.config": 'Module required x="canary, a -> b), None;";',
    "kafka.ssl.keystore.key": "-----BEGIN canary-----\ncanary\n-----END canary-----",
    "kafka.ssl.keystore.certificate.chain": "canary",
    "kafka.ssl.truststore.certificates": "canary\ncanary, canary",
    "kafka.ssl.key.password": "canary",
    "kafka.sasl.oauthbearer.client.id": "canary",
}


@pytest.mark.parametrize("told", [{}, {"spark.redaction.regex": "mine", "spark.sql.redaction.string.regex": "mine"}])
def test_a_plan_shows_no_secret(told, folder):
    (folder / "plan.py").write_text(PLAN)
    options = {"kafka.bootstrap.servers": "host:1", **SECRET, "kafka.client.rack": "shown"}
    conf = [word for name, value in told.items() for word in ("--conf", f"{name}={value}")]
    job = Job(folder)
    assert job.run(json.dumps(options), script=(*conf, str(folder / "plan.py"))) == 0, job.said()
    said = job.said()[job.said().index("== Parsed Logical Plan ==") :]
    assert "shown" in said and "StreamingRelation DataSource" in said
    assert "canary" not in said


def test_s3a_is_set_by_the_environment_that_sets_boto3():
    assert endpoint({}) == {}
    made = endpoint(
        {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "AWS_ENDPOINT_URL": "http://other", "AWS_REGION": "x"}
    )
    assert made == {
        "spark.hadoop.fs.s3a.endpoint": "http://127.0.0.1:9",
        "spark.hadoop.fs.s3a.path.style.access": "true",
        "spark.hadoop.fs.s3a.endpoint.region": "x",
    }


def test_the_jvm_is_asked_once_for_what_every_batch_needs(spark, monkeypatch):
    look_up(spark._jvm)
    monkeypatch.setattr(spark._jvm._gateway_client, "send_command", None)
    assert all(attrgetter(name)(spark._jvm) for name in LOOKED_UP)
