"""Every mistake in the flags is one line that names the flag, before Spark starts."""

import ast
import shlex
import sys
from pathlib import Path

import pytest

from jobs import flags
from jobs.arguments import parse
from jobs.settings import Refused, Settings

GOOD = "--bootstrap-servers b-1:9092,b-2:9092 --topics logs --transform transforms.raw:raw --table s3://lake/logs"

CLUSTER = "arn:aws:kafka:eu-west-1:111122223333:cluster/logs/0f1e2d3c-0000-4000-8000-0123456789ab-3"
ROLE = "arn:aws:iam::111122223333:role/reader"


def settings(more: str = "", base: str = GOOD) -> Settings:
    return parse(shlex.split(f"{base} {more}"))


def test_the_other_places_stand_beside_the_table():
    made = settings()
    assert made.quarantine == "s3://lake/logs_quarantine"
    assert (made.state, made.checkpoint) == ("s3://lake/logs_state", None)


def test_local_places_become_absolute_and_lose_their_scheme(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("lake/logs/", "./lake/logs", f"file://{tmp_path}/lake/logs", f"file:{tmp_path}/lake/logs"):
        assert settings(f"--table {text}").table == f"{tmp_path}/lake/logs"


def test_times_sizes_and_lists_are_typed():
    made = settings("--partition-by dt,hr --trigger 5m --max-records 10 --target-file-size 64MiB")
    assert (made.partition_by, made.trigger, made.max_records) == (("dt", "hr"), 300_000, 10)
    assert made.target_file_size == 64 * 2**20
    assert settings("--starting 2026-11-01T01:00:00+01:00").starting == 1_793_491_200_000
    assert settings("--starting 2026-11-01T00:00:00Z").starting == 1_793_491_200_000
    assert settings().trigger == 60_000


def test_waiting_for_records_asks_the_brokers_once_a_second():
    assert settings("--min-records 1000 --max-wait 60s").trigger == 1_000


def test_a_schema_is_text_or_a_file(tmp_path):
    (tmp_path / "orders.ddl").write_text("id BIGINT,\nat TIMESTAMP\n")
    base = GOOD.replace("raw:raw", "json_records:json_records")
    assert settings("--schema 'id BIGINT' --event-time at", base).schema == "id BIGINT"
    assert settings(f"--schema {tmp_path}/orders.ddl", base).schema == "id BIGINT,\nat TIMESTAMP"


@pytest.mark.parametrize(
    "more, said",
    {
        "--bootstrap-servers b-1": "--bootstrap-servers: 'b-1' is not HOST:PORT",
        "--bootstrap-servers b-1:99999": "--bootstrap-servers: 'b-1:99999' is not HOST:PORT",
        "--topics a,,b": "--topics: 'a,,b' has an empty name",
        "--topics 'a b'": "--topics: 'a b' is not a topic name",
        "--topics-pattern 'x.*'": "--topics: give either --topics or --topics-pattern",
        "--topics-pattern ''": "--topics-pattern: is empty",
        "--transform raw": "--transform: 'raw' is not package.module:function",
        "--table s3://lake": "--table: 's3://lake' needs a prefix below the bucket",
        "--table s3://": "--table: 's3://' names no bucket",
        "--table s3:/lake/logs": "--table: 's3:/lake/logs' names no bucket",
        "--checkpoint s3a:///c": "--checkpoint: 's3a:///c' names no bucket",
        "--kafka-option request.timeout.ms=30s": "--kafka-option: request.timeout.ms=30s is no number of milliseconds",
        "--table hdfs:///x": "--table: 'hdfs:///x' is neither s3://bucket/prefix nor a local folder",
        "--table 's3://lake/{a,b}'": "--table: 's3://lake/{a,b}' has an empty folder or one of ?#*{}[]",
        "--table ''": "--table: is empty",
        "--quarantine /tmp/x": "--quarantine: must be on the same kind of store as --table",
        "--quarantine s3://lake/logs/bad": "--quarantine: s3://lake/logs/bad lies inside --table s3://lake/logs",
        "--state s3a://lake/logs": "--state: s3a://lake/logs lies inside --table s3://lake/logs",
        "--state s3://lake/s --quarantine s3://lake": "--quarantine: 's3://lake' needs a prefix",
        "--state s3://lake/x/y --quarantine s3://lake/x": "--state: s3://lake/x/y lies inside --quarantine",
        "--checkpoint s3://lake/logs/c": "--checkpoint: s3://lake/logs/c lies inside --table",
        "--checkpoint s3://lake/logs_state/ledger/c": "--checkpoint: s3://lake/logs_state/ledger/c is the job's own",
        "--checkpoint s3://lake": "--table: s3://lake/logs lies inside --checkpoint s3://lake",
        "--state s3://xyz/y/z --checkpoint s3://xyz/y": "--state: s3://xyz/y/z lies inside --checkpoint s3://xyz/y",
        "--consumer-group 'a b'": "--consumer-group: 'a b' is not a group's name",
        "--on-data-loss ignore": "--on-data-loss: invalid choice: 'ignore'",
        "--isolation serial": "--isolation: invalid choice: 'serial'",
        "--kafka-option isolation.level=x": "--kafka-option: isolation.level can't be set: use --isolation",
        "--kafka-option failOnDataLoss=false": "--kafka-option: failOnDataLoss can't be set: use --on-data-loss",
        "--starting 1969-12-31T23:59:59Z": "--starting: '1969-12-31T23:59:59Z' is not earliest, latest or a time",
        "--partition-by dt,DT": "--partition-by: dt,DT names a column twice",
        "--partition-by d-t": "--partition-by: 'd-t' can't be a folder's name",
        "--trigger 60": "--trigger: '60' is not a duration: write 500ms, 60s, 5m or 1h",
        "--trigger now": "--trigger: 'now' is not a duration",
        "--min-records 5": "--min-records: needs --max-wait",
        "--max-wait 5s": "--max-wait: needs --min-records",
        "--min-records 5 --max-wait 5s --trigger 60s": "--min-records: does not go with --trigger",
        "--min-records 5 --max-wait 5s --max-records 4": "--max-records: 4 is less than --min-records 5",
        "--max-records 0": "--max-records: '0' is not a number above 0",
        "--max-records -1": "--max-records: '-1' is not a number above 0",
        "--starting yesterday": "--starting: 'yesterday' is not earliest, latest or a time with its zone",
        "--starting 2026-11-01T00:00:00": "--starting: '2026-11-01T00:00:00' is not earliest, latest or a time with",
        "--schema 'a INT'": "--schema: only for transforms.json_records:json_records",
        "--transform transforms.json_records:json_records": "--schema: transforms.json_records:json_records needs it",
        "--transform transforms.json_records:json_records --schema nowhere.ddl": "--schema: 'nowhere.ddl' is neither",
        "--target-file-size 128": "--target-file-size: '128' is not a size: write 64MiB",
        "--kafka-option x": "--kafka-option: 'x' is not NAME=VALUE",
        "--kafka-option group.id=x": "--kafka-option: group.id can't be set: the job sets it itself",
        "--kafka-option kafka.bootstrap.servers=x": "--kafka-option: bootstrap.servers can't be set: use --bootstrap-s",
        "--kafka-option startingOffsets=x": "--kafka-option: startingOffsets can't be set: use --starting",
        "--kafka-option groupIdPrefix=x": "--kafka-option: groupIdPrefix can't be set: use --group-prefix",
        "--auth plain": "--auth: invalid choice: 'plain'",
        "--auth mtls": "--keystore: --auth mtls needs the client's key and certificate",
        "--auth scram --keystore x.p12": "--keystore: does not go with --auth scram; it is for --auth mtls",
        "--truststore x.p12": "--truststore: does not go with --auth none; it is for --auth tls, mtls, scram, iam, oau",
        "--auth tls --truststore x.crt": "--truststore: 'x.crt' ends in none of .p12, .pfx, .jks, .pem",
        "--auth scram --token-endpoint https://x/t": "--token-endpoint: does not go with --auth scram; it is for",
        "--auth oauthbearer --token-endpoint x": "--token-endpoint: 'x' is not https://HOST/PATH",
        f"--auth oauthbearer --token-endpoint https://x --role-arn {ROLE}": "--role-arn: does not go with --token-end",
        f"--auth tls --role-arn {ROLE}": "--role-arn: does not go with --auth tls; it is for --auth iam, oauthbearer",
        "--auth iam --role-arn reader": "--role-arn: 'reader' is not a role: arn:aws:iam::ACCOUNT:role/NAME",
        "--auth iam --role-external-id xy": "--role-external-id: needs --role-arn",
        "--auth iam --role-external-id x": "--role-external-id: 'x' is no external id",
        "--auth iam --sts-region eu-west-1": "--sts-region: needs --role-arn",
        "--auth iam --kafka-option reconnect.backoff.ms=50": "--kafka-option: reconnect.backoff.ms=50 is less than the",
        "--network public": "--network: only where --bootstrap-servers is a cluster's ARN",
        "--group-prefix 'a b'": "--group-prefix: 'a b' can't begin a group's name",
        "--bootstrap-servers arn:aws:kafka:x": "--bootstrap-servers: 'arn:aws:kafka:x' is not an MSK cluster",
        f"--bootstrap-servers {CLUSTER} --auth oauthbearer --token-endpoint https://x": "--token-endpoint: an MSK clus",
        "--checkpoint foo://x/y": "--checkpoint: 'foo://x/y' is neither s3://…, s3a://…, hdfs://… nor local",
        "--partition-by dt,dt": "--partition-by: 'dt,dt' has a name twice",
        "--topics t,u,t": "--topics: 't,u,t' has a name twice",
        "--secret ''": "--secret: '' is neither a secret's name nor its ARN",
        f"--auth iam --role-arn {ROLE} --sts-region ' '": "--sts-region: ' ' is not a region, like eu-west-1",
        "--topic logs": "flags: unrecognized arguments: --topic logs",
        "logs": "flags: unrecognized arguments: logs",
    }.items(),
)  # fmt: skip
def test_a_mistake_is_one_line_that_names_the_flag(more, said):
    with pytest.raises(Refused) as refused:
        settings(more)
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_a_cluster_of_any_partition_stands_for_its_brokers():
    for partition in ("aws", "aws-cn", "aws-us-gov"):
        cluster = CLUSTER.replace("aws", partition, 1)
        assert settings(f"--bootstrap-servers {cluster}").bootstrap_servers == cluster


def test_a_role_is_assumed_in_the_clusters_region():
    made = settings(f"--bootstrap-servers {CLUSTER} --auth scram --role-arn {ROLE}")
    assert made.sts_region == "eu-west-1"
    assert settings(f"--auth iam --role-arn {ROLE}").sts_region is None


def test_what_is_required_is_named():
    with pytest.raises(Refused, match="--bootstrap-servers, --transform, --table"):
        parse([])


def test_options_of_the_client_and_of_sparks_reader_are_told_apart():
    made = settings("--kafka-option client.id=x --kafka-option kafka.client.rack=a=b --kafka-option minPartitions=4")
    assert made.kafka_options == (("kafka.client.id", "x"), ("kafka.client.rack", "a=b"), ("minPartitions", "4"))


def test_an_option_that_may_hold_a_secret_is_not_printed():
    made = settings("--kafka-option sasl.own.option=canary --kafka-option security.protocol=SASL_SSL")
    assert "canary" not in str(made.printable())
    assert made.printable()["kafka_options"] == {"kafka.sasl.own.option": "***", "kafka.security.protocol": "SASL_SSL"}


@pytest.mark.parametrize(
    "name",
    [
        "sasl.jaas.config",
        "kafka.sasl.jaas.config",
        "ssl.key.password",
        "SSL.KEYSTORE.PASSWORD",
        "ssl.truststore.password",
        "ssl.keystore.key",
        "sasl.oauthbearer.client.credentials.client.secret",
        "sasl.oauthbearer.assertion.private.key.passphrase",
    ],
)
def test_no_flag_takes_a_secret(name):
    with pytest.raises(Refused, match="would show in the process list; put it into --secret or FLOODMARK_S") as refused:
        settings(f"--kafka-option {name}=canary")
    assert "canary" not in str(refused.value)


def test_one_place_may_be_spelled_two_ways():
    assert flags.inside("s3a://b/x/y", "s3://b/x")
    assert not flags.inside("s3://b/xy", "s3://b/x")


def test_the_flags_need_nothing_but_the_standard_library():
    """`emr/` and schedulers check a command line without pyspark."""
    for file in ("arguments.py", "settings.py", "flags.py", "auth.py"):
        tree = ast.parse((Path("jobs") / file).read_text())
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        modules |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        assert {module.split(".")[0] for module in modules} <= {*sys.stdlib_module_names, "jobs"}
