"""Logging in with the real libraries: on the driver, on an executor that is another process, and as another role."""

import datetime
import json
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import boto3
import pyspark
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from emr import jars
from jobs.auth import jaas
from jobs.flags import variable
from tests.kit.job import ROOT, Job
from tests.kit.msk import IamBroker
from tests.kit.oracle import Oracle
from tests.kit.s3 import CREDENTIALS
from tests.kit.secured import SecuredBroker

ROLE = "--role-arn arn:aws:iam::111122223333:role/reader --role-external-id shared:id"
NASTY = ['a"b', "a\\", '\\"', "a; b required;", " ", "a\nb\rc\td", "é€😀", "a='b' // /* # ${env:HOME}", "\x01\x7f"]
AN_EXECUTOR = ["--master", "local-cluster[1,1,1024]", "--conf", "spark.executor.memory=512m"]


@pytest.fixture(scope="module")
def iam(tmp_path_factory):
    with IamBroker(tmp_path_factory.mktemp("iam")) as broker:
        broker.create_topic("t")
        broker.produce("t", [(None, b"%d" % n, None, None, 0) for n in range(100)])
        yield broker


def client(folder: Path) -> None:
    """A key and its certificate in `folder`, as client.p12 and as client.pem whose key is sealed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    seal = BestAvailableEncryption(b"right")
    (folder / "client.p12").write_bytes(pkcs12.serialize_key_and_certificates(b"c", key, certificate, None, seal))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "client.pem").write_bytes(key.private_bytes(*form, seal) + certificate.public_bytes(form[0]))


def asked(job: Job, questions: dict[str, str]) -> dict:
    """What one driver was told, by the names of the questions."""
    file = job.log.with_name("answers.json")
    assert job.run(str(file), *questions.values(), script=("tests/kit/asks.py",)) == 0, job.said()[-3000:]
    return dict(zip(questions, json.loads(file.read_text()), strict=True))


@pytest.fixture(scope="module")
def answers(iam, s3, tmp_path_factory):
    folder = tmp_path_factory.mktemp("asks")
    client(folder)
    door = f"--bootstrap-servers {iam.address} --topics t "
    plain = "--kafka-option security.protocol=SASL_PLAINTEXT "
    questions = {
        "iam": door + plain + "--auth iam",
        "iam as a role": door + plain + f"--auth iam {ROLE}",
        "oauthbearer": door + plain + "--auth oauthbearer",
        "oauthbearer as a role": door + plain + f"--auth oauthbearer {ROLE}",
        "wrong p12": door + f"--auth mtls --keystore {folder}/client.p12",
        "sealed pem": door + f"--auth mtls --keystore {folder}/client.pem",
        "no such topic": door.replace("topics t", "topics t,u") + plain + "--auth iam",
        **{f"jaas {value}": f"jaas {jaas('M', {'a': value, 'b': value})}" for value in NASTY},
    }
    secrets = {"FLOODMARK_KEYSTORE_PASSWORD": "wrong", "FLOODMARK_KEY_PASSWORD": "wrong"}
    return asked(Job(folder, environment={**CREDENTIALS, **secrets, "AWS_ENDPOINT_URL_STS": s3.url}), questions)


@pytest.mark.parametrize("value", NASTY)
def test_kafkas_own_parser_reads_a_value_as_it_is(value, answers):
    assert answers[f"jaas {value}"] == [{"a": value, "b": value}]


@pytest.mark.parametrize("mechanism, way", {"AWS_MSK_IAM": "iam", "OAUTHBEARER": "oauthbearer"}.items())
def test_the_library_signs_as_the_job_and_as_the_role(mechanism, way, answers, iam, s3):
    assert answers[way] == answers[f"{way} as a role"] == {"t": [0]}
    logins = [login for login in iam.logins if login.mechanism == mechanism]
    assert {login.token["action"] for login in logins} == {"kafka-cluster:Connect"}
    assert {login.key for login in logins if "x-amz-security-token" not in login.token} == {"test"}
    (role,) = {login.key for login in logins if "x-amz-security-token" in login.token}
    sts = boto3.client(
        "sts", aws_access_key_id=role, aws_secret_access_key="x", region_name="us-east-1", endpoint_url=s3.url
    )
    assert sts.get_caller_identity()["Arn"].endswith("assumed-role/reader/floodmark")


@pytest.mark.parametrize(
    "question, flag",
    {
        "wrong p12": "--keystore, --truststore: the store's password is wrong",
        "sealed pem": "--keystore: Java opens no key in a .pem that OpenSSL has sealed; make it a .p12",
        "no such topic": "--topics: there is no topic ",
    }.items(),
)
def test_what_java_complains_of_is_one_line_that_names_the_flag(question, flag, answers):
    assert answers[question].startswith(flag) and "\n" not in answers[question]


class Ways(NamedTuple):
    """A secured broker, the flags of every way to log in to it, and the environment with what they need."""

    broker: SecuredBroker
    flags: dict[str, str]
    environment: dict[str, str]


@pytest.fixture(scope="module")
def ways(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secured")
    with SecuredBroker(folder / "broker") as broker:
        broker.create_topic("t")
        broker.create_topic("u")
        for principal in broker.principals.values():
            broker.allow(principal, topic="t", group="floodmark*")
        files, at = broker.files, broker.at
        ways = {
            "tls, p12": ("ssl", f"--auth tls --truststore {files.truststore_p12}"),
            "tls, pem": ("ssl", f"--auth tls --truststore {files.ca_pem}"),
            "mtls, p12": ("mtls", f"--auth mtls --truststore {files.ca_pem} --keystore {files.client_p12}"),
            "mtls, pem": ("mtls", f"--auth mtls --truststore {files.ca_pem} --keystore {files.client_pem}"),
            "scram": ("scram", f"--auth scram --truststore {files.truststore_p12}"),
            "a token": ("oauth", f"--auth oauthbearer --token-endpoint {broker.token_url} --truststore {files.ca_pem}"),
            "no truststore": ("ssl", "--auth tls"),
            "no certificate": ("mtls", f"--auth tls --truststore {files.ca_pem}"),
            "no ACL": ("scram", f"--auth scram --truststore {files.ca_pem} --topics u"),
            "another way": ("scram", f"--auth iam --truststore {files.ca_pem}"),
        }
        questions = {name: f"--bootstrap-servers {at(to)} --topics t {flags}" for name, (to, flags) in ways.items()}
        names = ("keystore_password", "truststore_password", "key_password")
        secrets = {name: getattr(files, name) for name in names}
        secrets |= {"username": broker.user, "password": broker.password}
        secrets |= {"client_id": broker.client_id, "client_secret": broker.client_secret}
        environment = CREDENTIALS | {variable(name): value for name, value in secrets.items()}
        yield Ways(broker, questions, environment)


@pytest.fixture(scope="module")
def secured(ways):
    """What the driver is told by each way, and by some with a wrong secret."""
    folder, wrong = ways.broker.folder, {"FLOODMARK_PASSWORD": "wrong", "FLOODMARK_CLIENT_SECRET": "wrong"}
    right = asked(Job(folder.parent, environment=ways.environment), ways.flags)
    some = {name: ways.flags[name] for name in ("scram", "a token")}
    refused = asked(Job(folder, environment=ways.environment | wrong), some)
    return right | {f"wrong {name}": said for name, said in refused.items()}


@pytest.mark.parametrize("way", ["tls, p12", "tls, pem", "mtls, p12", "mtls, pem", "scram", "a token"])
def test_a_broker_lets_in_who_may_come(way, secured):
    assert secured[way] == {"t": [0]}


@pytest.mark.parametrize(
    "way, said",
    {
        "no truststore": "--truststore: the certificate of 127.0.0.1:",
        "no certificate": "--keystore: 127.0.0.1:",
        "no ACL": "--topics: the principal may not read u; it needs READ and DESCRIBE on the topic",
        "another way": "--auth: 127.0.0.1:",
        "wrong scram": "--auth, --secret: 127.0.0.1:",
        "wrong a token": "--token-endpoint, --secret: there comes no token: ",
    }.items(),
)
def test_a_broker_that_refuses_is_understood(way, said, secured):
    assert secured[way].startswith(said) and "\n" not in secured[way]


@pytest.mark.soak
@pytest.mark.newest
def test_the_job_reads_by_every_way_and_says_what_a_principal_lacks(folder, ways):
    """One table, a record more by each way; then the executors are refused what the driver may do."""
    broker, table = ways.broker, folder / "table"
    broker.create_topic("w")
    for principal in broker.principals.values():
        broker.allow(principal, topic="w")
    flags = ("--transform", "transforms.raw:raw", "--table", str(table), "--trigger", "available-now")
    job = Job(folder, *flags, environment=ways.environment)
    used = ("tls, pem", "mtls, p12", "mtls, pem", "scram", "a token")
    for way in used:
        broker.produce("w", [(None, way.encode(), None, None, 0)])
        assert job.run(*shlex.split(ways.flags[way]), "--topics", "w") == 0, job.said()[-3000:]
    oracle = Oracle(folder, str(table), f"{table}_quarantine")
    assert [value.decode() for (value,) in sorted(oracle.select("table", "value"))] == sorted(used)

    broker.create_topic("x")
    broker.produce("x", [(None, b"unseen", None, None, 0)])
    broker.allow(broker.principals["scram"], described="x")
    other = ("--topics", "x", "--table", str(folder / "other"))
    assert job.run(*shlex.split(ways.flags["scram"]), *other) == 2, job.said()[-3000:]
    assert "ingest.py: --topics: the principal may not read x; it needs READ and DESCRIBE" in job.said()
    for name, secret in broker.secrets().items():
        assert secret not in job.said(), name
        for file in (file for root in (folder, Path(f"{table}_state")) for file in root.rglob("*") if file.is_file()):
            assert secret.encode() not in file.read_bytes(), f"{name} is in {file}"


@pytest.fixture
def spark_home(folder):
    """Where a local cluster's worker may keep its files."""
    spark = folder / "spark"
    spark.mkdir()
    for entry in Path(pyspark.__file__).parent.iterdir():
        (spark / entry.name).symlink_to(entry)
    yield {"SPARK_HOME": str(spark), "SPARK_LOCAL_IP": "127.0.0.1"}
    shutil.rmtree(spark)


@pytest.mark.soak
def test_an_executor_in_another_process_logs_in_too(folder, iam, spark_home):
    """The whole job; the executor has a key of its own, so that its logins can be told from the driver's."""
    flags = [
        *("--bootstrap-servers", iam.address, "--topics", "t", "--transform", "transforms.raw:raw"),
        *("--table", str(folder / "table"), "--trigger", "available-now"),
        *("--auth", "iam", "--kafka-option", "security.protocol=SASL_PLAINTEXT"),
    ]
    job = Job(folder, *flags, environment={**CREDENTIALS, **spark_home, "AWS_ACCESS_KEY_ID": "driver"})
    submit = (*AN_EXECUTOR, "--conf", "spark.executorEnv.AWS_ACCESS_KEY_ID=executor", "jobs/ingest.py")
    assert job.run(script=submit) == 0, job.said()[-3000:]
    assert {"driver", "executor"} <= {login.key for login in iam.logins}
    oracle = Oracle(folder, str(folder / "table"), str(folder / "table_quarantine"))
    assert oracle.select("table", "count(*), min(_offset), max(_offset)") == [(100, 0, 99)]


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["p12", "jks"])
def test_an_executor_in_another_process_opens_the_stores_that_were_shipped(kind, folder, ways, spark_home):
    """Known by their bare names: the driver has them in its working directory, as in cluster mode."""
    files, broker, here = ways.broker.files, ways.broker, folder / "here"
    here.mkdir()
    passwords = {"client": files.keystore_password, "truststore": files.truststore_password}
    for name, password in passwords.items():
        p12 = shutil.copy(files.folder / f"{name}.p12", here)
        if kind == "jks":
            words = f"-importkeystore -noprompt -deststoretype JKS -srckeystore {p12} -destkeystore {here}/{name}.jks"
            secret = ["-srcstorepass", password, "-deststorepass", password]
            if name == "client":
                secret += ["-srcalias", "key", "-destkeypass", files.key_password]
            subprocess.run([f"{jars.java_home()}/bin/keytool", *words.split(), *secret], check=True)
    stores = [f"{name}.{kind}" for name in passwords]
    login = f"--auth mtls --keystore {stores[0]} --truststore {stores[1]} --topics t"
    where = ("--bootstrap-servers", broker.at("mtls"), "--transform", "transforms.raw:raw")
    flags = (*where, *login.split(), "--table", str(folder / "table"), "--trigger", "available-now")
    job = Job(folder, *flags, environment=ways.environment | spark_home)
    job.cwd = here
    broker.produce("t", [(None, b"%d" % n, None, None, 0) for n in range(10)])
    submit = (*AN_EXECUTOR, "--files", ",".join(stores), str(ROOT / "jobs" / "ingest.py"))
    assert job.run(script=submit) == 0, job.said()[-3000:]
    oracle = Oracle(folder, str(folder / "table"), str(folder / "table_quarantine"))
    assert oracle.select("table", "count(*) >= 10") == [(True,)]
