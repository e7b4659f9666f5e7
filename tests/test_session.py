"""The session's settings, and who wins over whom."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from py4j.protocol import SUCCESS_PACKAGE

from emr.java import java_home
from jobs import hadoop
from jobs.rows import folded, observed, watched
from jobs.session import SETTINGS, endpoint, look_up
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
from jobs import source
from jobs.arguments import parse
from jobs.session import session
flags = "--bootstrap-servers host:1 --topics t --transform transforms.raw:raw --table /tmp/table"
frame = source.stream(session("test"), parse(flags.split()), json.loads(sys.argv[1]), {"t": {0: 0}})
print(frame.select("value")._jdf.queryExecution().toString())
"""
SECRET = {
    "sasl.jaas.config": 'Module required x="canary, a -> b), None;";',
    "ssl.keystore.key": "-----BEGIN canary-----\ncanary\n-----END canary-----",
    "ssl.keystore.certificate.chain": "canary",
    "ssl.truststore.certificates": "canary\ncanary, canary",
    "ssl.key.password": "canary",
    "sasl.oauthbearer.client.id": "canary",
}


@pytest.mark.parametrize("told", [{}, {"spark.redaction.regex": "mine", "spark.sql.redaction.string.regex": "mine"}])
def test_the_streams_plan_gathers_its_records_and_shows_no_secret(told, folder):
    (folder / "plan.py").write_text(PLAN)
    connection = {"bootstrap.servers": "host:1", **SECRET, "client.rack": "shown"}
    conf = [word for name, value in told.items() for word in ("--conf", f"{name}={value}")]
    job = Job(folder)
    assert job.run(json.dumps(connection), script=(*conf, str(folder / "plan.py"))) == 0, job.said()
    said = job.said()[job.said().index("== Parsed Logical Plan ==") :]
    assert all(shown in said for shown in ("shown", "StreamingRelation DataSource", "Repartition"))
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


def test_a_batch_has_the_jvm_look_for_no_package(spark, folder, monkeypatch):
    look_up(spark._jvm)
    answers, send = [], spark._jvm._gateway_client.send_command
    monkeypatch.setattr(
        spark._jvm._gateway_client, "send_command", lambda *told: (answers.append(send(*told)), answers[-1])[1]
    )
    rows, seen = watched(spark.range(3).selectExpr("id", "'2026-11-01' AS dt", "cast(NULL AS STRING) AS _reject"))
    rows.selectExpr("id", folded(("dt",))).coalesce(1).write.parquet(str(folder / "written"))
    (file,) = (folder / "written").glob("*.parquet")
    assert (observed(seen)["in"], hadoop.rows(spark, f"file://{file}")) == (3, 3)
    assert len(answers) > 10 and SUCCESS_PACKAGE not in answers
