"""Flags, a secret, the environment and an MSK cluster become the Kafka client's properties."""

import json
import shlex

import boto3
import pytest

from jobs.arguments import parse
from jobs.auth import SESSION
from jobs.connection import connected
from jobs.settings import Refused
from tests.kit.msk import Clusters
from tests.kit.s3 import CREDENTIALS

BASE = "--bootstrap-servers b:9098 --topics t --transform transforms.raw:raw --table /tmp/table"
CLUSTER = "arn:aws:kafka:eu-west-1:111122223333:cluster/logs/0f1e2d3c-0000-4000-8000-0123456789ab-3"
ROLE = "arn:aws:iam::111122223333:role/reader"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"
AUTHORITY = "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----"
KEY, SEALED, OLD = (
    f"-----BEGIN {kind}PRIVATE KEY-----\nCCCC\n-----END {kind}PRIVATE KEY-----" for kind in ("", "ENCRYPTED ", "RSA ")
)
BROKERS = {
    "bootstrapBrokerStringTls": "b-1.logs.x.c3.kafka.eu-west-1.amazonaws.com:9094",
    "bootstrapBrokerStringSaslIam": "b-1.logs.x.c3.kafka.eu-west-1.amazonaws.com:9098",
    "bootstrapBrokerStringPublicSaslIam": "b-1-public.logs.x.c3.kafka.eu-west-1.amazonaws.com:9198",
    "bootstrapBrokerStringVpcConnectivitySaslIam": "b-1.scram.logs.x.c3.kafka.eu-west-1.amazonaws.com:14001",
}


def properties(flags: str = "", base: str = BASE) -> dict[str, str]:
    """What the client is told beyond where the brokers are."""
    return {k: v for k, v in connected(parse(shlex.split(f"{base} {flags}"))).items() if k != "bootstrap.servers"}


def refused(flags: str, base: str = BASE) -> str:
    with pytest.raises(Refused) as refused:
        properties(flags, base)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.fixture(autouse=True)
def aws(monkeypatch):
    """No test meets the real AWS: nothing listens where its clients look until a stand-in is named."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def secret(s3, folder, monkeypatch):
    """A function: a secret of Secrets Manager, in moto's server; its name."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", s3.url)

    def of(value: str) -> str:
        name = f"AmazonMSK_{folder.name}"
        boto3.client("secretsmanager", region_name=CREDENTIALS["AWS_REGION"]).create_secret(
            Name=name, SecretString=value
        )
        return name

    return of


@pytest.fixture
def msk(monkeypatch):
    with Clusters({CLUSTER: BROKERS}) as msk:
        monkeypatch.setenv("AWS_ENDPOINT_URL_KAFKA", msk.url)
        yield msk


def test_the_user_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("FLOODMARK_USERNAME", "u")
    monkeypatch.setenv("FLOODMARK_PASSWORD", 'p"')
    assert properties("--auth scram")["sasl.jaas.config"].endswith('username="u" password="p\\"";')


def test_the_user_comes_from_a_secret_of_msks_shape_which_wins(secret, monkeypatch):
    monkeypatch.setenv("FLOODMARK_PASSWORD", "other")
    name = secret('{"username": "u", "password": "p", "port": 5432}')
    assert properties(f"--auth scram --secret {name}")["sasl.jaas.config"].endswith('username="u" password="p";')
    arn = boto3.client("secretsmanager", region_name=CREDENTIALS["AWS_REGION"]).describe_secret(SecretId=name)["ARN"]
    assert properties(f"--auth scram --secret {arn}")["sasl.jaas.config"].endswith('username="u" password="p";')


def test_what_is_missing_is_named_by_flag_and_variable(secret, monkeypatch):
    said = refused("--auth scram")
    assert said == (
        "--secret: --auth scram needs more: put it into --secret as username and password, "
        "or into FLOODMARK_USERNAME and FLOODMARK_PASSWORD"
    )
    name = secret('{"username": "u"}')
    said = refused(f"--auth scram --secret {name}")
    assert said == (
        f"--secret: --auth scram needs more: {name} has no password; put it there, or into FLOODMARK_PASSWORD"
    )
    said = refused("--auth oauthbearer --token-endpoint https://id/token")
    assert "FLOODMARK_CLIENT_ID and FLOODMARK_CLIENT_SECRET" in said


def test_a_secret_that_can_not_be_read_is_one_line(secret):
    assert "ResourceNotFoundException" in refused("--auth scram --secret nowhere")
    name = secret("canary")
    said = refused(f"--auth scram --secret {name}")
    assert said.startswith(f"--secret: {name} is not a JSON object") and "canary" not in said


def test_a_secret_whose_password_is_a_number_is_one_line(secret):
    name = secret('{"username": "u", "password": 12345}')
    assert refused(f"--auth scram --secret {name}") == f"--secret: {name}: password must be text, in quotes"


def test_properties_that_no_flag_takes_come_from_the_secret_or_the_environment(secret, monkeypatch):
    monkeypatch.setenv("FLOODMARK_SSL_KEY_PASSWORD", "k")
    monkeypatch.setenv("FLOODMARK_SASL_JAAS_CONFIG", "other")
    name = secret(json.dumps({"sasl.jaas.config": "Plain required;", "sasl.mechanism": "PLAIN"}))
    flags = f"--secret {name} --kafka-option security.protocol=SASL_SSL"
    assert properties(flags) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": "Plain required;",
        "ssl.key.password": "k",
    }
    assert properties(f"--auth scram {flags}")["sasl.jaas.config"] == "Plain required;"


def test_an_option_of_the_user_wins_over_the_table():
    made = properties("--auth iam --kafka-option security.protocol=SASL_PLAINTEXT --kafka-option client.id=x")
    assert (made["security.protocol"], made["client.id"]) == ("SASL_PLAINTEXT", "x")
    assert made["sasl.mechanism"] == "AWS_MSK_IAM"


def test_pem_is_handed_on_as_text_so_that_executors_need_no_file(folder):
    (folder / "client.pem").write_text(f"Bag Attributes\n{KEY}\nsubject=x\n{CERTIFICATE}\n{AUTHORITY}\n")
    (folder / "ca.pem").write_text(f"{AUTHORITY}\n")
    made = properties(f"--auth mtls --keystore {folder}/client.pem --truststore {folder}/ca.pem")
    assert made == {
        "security.protocol": "SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.key": KEY,
        "ssl.keystore.certificate.chain": f"{CERTIFICATE}\n{AUTHORITY}",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": AUTHORITY,
    }


def test_a_sealed_key_needs_its_password(folder, monkeypatch):
    (folder / "client.pem").write_text(f"{SEALED}\n{CERTIFICATE}")
    assert "FLOODMARK_KEY_PASSWORD" in refused(f"--auth mtls --keystore {folder}/client.pem")
    monkeypatch.setenv("FLOODMARK_KEY_PASSWORD", "k")
    made = properties(f"--auth mtls --keystore {folder}/client.pem")
    assert (made["ssl.keystore.key"], made["ssl.key.password"]) == (SEALED, "k")


def test_a_store_of_java_is_a_file_of_one_path_everywhere(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for name in ("client.p12", "client.PFX", "trust.jks"):
        (folder / name).write_bytes(b"\xff")
    monkeypatch.setenv("FLOODMARK_KEYSTORE_PASSWORD", "k")
    monkeypatch.setenv("FLOODMARK_TRUSTSTORE_PASSWORD", "t")
    monkeypatch.setenv("FLOODMARK_KEY_PASSWORD", "only for a .jks")
    made = properties("--auth mtls --keystore client.p12 --truststore ./trust.jks")
    assert made == {
        "security.protocol": "SSL",
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.location": "client.p12",
        "ssl.keystore.password": "k",
        "ssl.truststore.type": "JKS",
        "ssl.truststore.location": "trust.jks",
        "ssl.truststore.password": "t",
    }
    absolute = properties(f"--auth mtls --keystore {folder}/client.PFX")
    assert absolute["ssl.keystore.location"] == f"{folder}/client.PFX"
    (folder / "in").mkdir()
    (folder / "client.p12").rename(folder / "in" / "client.p12")
    below = properties("--auth mtls --keystore in/client.p12")
    assert below["ssl.keystore.location"] == f"{folder}/in/client.p12"


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "can't be read here: No such file or directory; on a cluster --files puts it into the working dir"),
        (KEY, "holds no certificate"),
        (CERTIFICATE, "needs one key in PKCS#8, BEGIN PRIVATE KEY"),
        (f"{OLD}\n{CERTIFICATE}", "openssl pkcs8 -topk8 -nocrypt -in"),
    ],
    ids=["no file", "no certificate", "no key", "an old kind of key"],
)
def test_a_store_that_is_none_is_named(text, said, folder):
    if text:
        (folder / "client.pem").write_text(text)
    line = refused(f"--auth mtls --keystore {folder}/client.pem")
    assert line.startswith(f"--keystore: {folder}/client.pem ") and said in line


def test_a_store_of_java_needs_its_password(folder):
    (folder / "client.jks").write_bytes(b"\xff")
    said = refused(f"--auth mtls --keystore {folder}/client.jks")
    assert said.startswith(f"--secret: --keystore {folder}/client.jks needs more: put it into --secret as keystore_p")
    assert said.endswith("or into FLOODMARK_KEYSTORE_PASSWORD")


@pytest.mark.parametrize(
    "flags, port",
    {
        "--auth iam": 9098,
        "--auth oauthbearer --network private": 9098,
        "--auth iam --network public": 9198,
        "--auth iam --network vpc-connectivity": 14001,
        "--auth tls": 9094,
    }.items(),
)
def test_a_clusters_arn_stands_for_its_brokers(flags, port, msk):
    settings = parse(shlex.split(f"{BASE} --bootstrap-servers {CLUSTER} {flags}"))
    assert connected(settings)["bootstrap.servers"].endswith(f":{port}")
    assert msk.asked == [(CLUSTER, "test")]


def test_what_the_cluster_does_not_offer_is_answered_with_what_it_does(msk):
    said = refused(f"--bootstrap-servers {CLUSTER} --auth tls --network public")
    assert said.startswith(f"--auth, --network: {CLUSTER} has no brokers for tls on its public network; it has: ")
    assert "--auth iam --network vpc-connectivity" in said and "scram" not in said
    gone = CLUSTER.replace("logs", "gone")
    said = refused(f"--bootstrap-servers {gone} --auth iam")
    assert said.startswith(f"--bootstrap-servers: {gone}: ") and "does not exist" in said


def test_a_cluster_of_another_account_is_asked_as_the_role(msk, s3, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", s3.url)
    made = properties(f"--bootstrap-servers {CLUSTER} --auth iam --role-arn {ROLE} --role-external-id x:y")
    assert 'awsStsRegion="eu-west-1"' in made["sasl.jaas.config"]
    ((cluster, key),) = msk.asked
    assert cluster == CLUSTER and key.startswith("ASIA"), "the role's key, not the job's own"
    sts = boto3.client(
        "sts", aws_access_key_id=key, aws_secret_access_key="x", region_name="eu-west-1", endpoint_url=s3.url
    )
    assert sts.get_caller_identity()["Arn"].endswith(f"assumed-role/reader/{SESSION}")


def test_a_role_that_may_not_be_assumed_is_named(msk):
    said = refused(f"--bootstrap-servers {CLUSTER} --auth scram --role-arn {ROLE}".replace("scram", "iam"))
    assert said.startswith(f"--role-arn: {ROLE}: ") and not msk.asked
