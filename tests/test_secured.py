"""The secured broker of the tests, asked by both clients: librdkafka, and Kafka's Java client in Spark's reader."""

import json
import urllib.error
import urllib.request
from base64 import b64encode

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from tests.kit.job import Job
from tests.kit.secured import SECURITY, SecuredBroker

OPEN, CLOSED = "open", "closed"  # topics
DENIED = "TopicAuthorizationException"


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with SecuredBroker(tmp_path_factory.mktemp("secured")) as broker:
        for topic in (OPEN, CLOSED):
            broker.create_topic(topic)
            broker.produce(topic, [(None, topic.encode(), None, None, 0)])
        for principal in broker.principals.values():
            broker.allow(principal, topic=OPEN, group="spark-*")
        yield broker


def java(broker: SecuredBroker) -> dict[str, tuple[str, dict]]:
    """Name → listener and properties of a Java client."""
    files = broker.files
    ca = {"ssl.truststore.type": "PEM", "ssl.truststore.location": files.ca_pem}
    tls, sasl = {"security.protocol": "SSL", **ca}, {"security.protocol": "SASL_SSL", **ca}
    p12 = {"ssl.keystore.location": files.client_p12, "ssl.keystore.password": files.keystore_password}
    pem = {"ssl.keystore.type": "PEM"}
    inline = {
        "ssl.keystore.key": files.client_key_pem.read_text(),
        "ssl.keystore.certificate.chain": files.client_chain_pem.read_text(),
    }
    trust = {
        "ssl.truststore.location": files.truststore_p12,
        "ssl.truststore.password": files.truststore_password,
        "ssl.truststore.type": "PKCS12",
    }
    locked = {"ssl.keystore.location": files.client_locked_pem, "ssl.key.password": files.key_password}
    return {
        "server certificate by PEM": ("ssl", tls),
        "server certificate by PEM inline": (
            "ssl",
            {
                "security.protocol": "SSL",
                "ssl.truststore.type": "PEM",
                "ssl.truststore.certificates": files.ca_pem.read_text(),
            },
        ),
        "server certificate by PKCS12": ("ssl", tls | trust),
        "unknown authority": ("ssl", {"security.protocol": "SSL"}),
        "client certificate by PKCS12": ("mtls", tls | p12),
        "client certificate by PEM": ("mtls", tls | pem | {"ssl.keystore.location": files.client_pem}),
        "client certificate by PEM inline": ("mtls", tls | pem | inline),
        "encrypted PEM": ("mtls", tls | pem | locked),
        "wrong key store password": ("mtls", tls | p12 | {"ssl.keystore.password": "wrong"}),
        "no client certificate": ("mtls", tls),
        "SCRAM": ("scram", sasl | scram(broker.user, broker.password)),
        "wrong SCRAM password": ("scram", sasl | scram(broker.user, "wrong")),
        "OAuth": ("oauth", sasl | oauth(broker, broker.client_secret)),
        "wrong OAuth secret": ("oauth", sasl | oauth(broker, "wrong")),
    }


def scram(user: str, password: str) -> dict[str, str]:
    login = f'{SECURITY}.scram.ScramLoginModule required username="{user}" password="{password}";'
    return {"sasl.mechanism": "SCRAM-SHA-512", "sasl.jaas.config": login}


def oauth(broker: SecuredBroker, secret: str) -> dict[str, str]:
    kind = f"{SECURITY}.oauthbearer"
    return {
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.login.callback.handler.class": f"{kind}.OAuthBearerLoginCallbackHandler",
        "sasl.oauthbearer.token.endpoint.url": broker.token_url,
        "sasl.jaas.config": (
            f'{kind}.OAuthBearerLoginModule required clientId="{broker.client_id}" clientSecret="{secret}";'
        ),
    }


@pytest.fixture(scope="module")
def answers(broker, tmp_path_factory):
    """What Spark's reader got by each of `java`, from the open topic and, with `closed` in front, from the other."""
    folder = tmp_path_factory.mktemp("reads")
    clients = java(broker)
    clients |= {f"closed, {name}": clients[name] for name in ("client certificate by PKCS12", "SCRAM", "OAuth")}
    questions = {
        name: {
            "kafka.bootstrap.servers": broker.at(listener),
            "subscribe": CLOSED if name.startswith("closed") else OPEN,
            **{f"kafka.{key}": str(value) for key, value in properties.items()},
        }
        for name, (listener, properties) in clients.items()
    }
    (folder / "questions.json").write_text(json.dumps(questions))
    job = Job(folder)
    code = job.run(script=("tests/kit/reads.py", str(folder / "questions.json"), str(folder / "answers.json")))
    assert code == 0, job.said()
    return json.loads((folder / "answers.json").read_text())


@pytest.mark.parametrize(
    "client",
    [
        "server certificate by PEM",
        "server certificate by PEM inline",
        "server certificate by PKCS12",
        "client certificate by PKCS12",
        "client certificate by PEM",
        "client certificate by PEM inline",
        "SCRAM",
        "OAuth",
    ],
)
def test_spark_reads_as_a_client_that_the_broker_knows(answers, client):
    assert answers[client] == [OPEN]


@pytest.mark.parametrize(
    ("client", "error"),
    {
        "unknown authority": "SslAuthenticationException: SSL handshake failed",
        "no client certificate": "SslAuthenticationException",
        "wrong key store password": "keystore password was incorrect",
        "encrypted PEM": "PBES2 SecretKeyFactory not available",
        "wrong SCRAM password": "SaslAuthenticationException: Authentication failed",
        "wrong OAuth secret": "The response code 401",
        "closed, client certificate by PKCS12": DENIED,
        "closed, SCRAM": DENIED,
        "closed, OAuth": DENIED,
    }.items(),
)
def test_spark_is_refused_and_told_why(answers, client, error):
    assert error in answers[client]


def consumed(broker: SecuredBroker, listener: str, topic: str, **properties: str) -> bytes:
    """The first record of `topic`, to librdkafka as a client of `listener`; refused, a `KafkaException`."""
    names = {name.replace("_", "."): str(value) for name, value in properties.items()}
    at = {
        "bootstrap.servers": broker.at(listener),
        "group.id": "spark-test",
        "ssl.ca.location": str(broker.files.ca_pem),
    }
    consumer = Consumer({**at, "log_level": 0, "enable.auto.commit": False, **names})
    try:
        if error := consumer.list_topics(topic, timeout=20).topics[topic].error:
            raise KafkaException(error)
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(20)
        assert message is not None, f"{listener} gave nothing"
        if message.error():
            raise KafkaException(message.error())
        return message.value()
    finally:
        consumer.close()


def as_scram(broker: SecuredBroker, topic: str) -> bytes:
    login = {"sasl_username": broker.user, "sasl_password": broker.password}
    return consumed(broker, "scram", topic, security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", **login)


def test_librdkafka_reads_by_every_listener(broker):
    pem, login = broker.files.client_locked_pem, {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}
    key = {"ssl_key_location": pem, "ssl_certificate_location": pem, "ssl_key_password": broker.files.key_password}
    token = {
        "sasl_oauthbearer_method": "oidc",
        "sasl_oauthbearer_client_id": broker.client_id,
        "sasl_oauthbearer_client_secret": broker.client_secret,
        "sasl_oauthbearer_token_endpoint_url": broker.token_url,
    }
    assert consumed(broker, "plaintext", OPEN) == OPEN.encode()
    assert consumed(broker, "ssl", OPEN, security_protocol="SSL") == OPEN.encode()
    assert consumed(broker, "mtls", OPEN, security_protocol="SSL", **key) == OPEN.encode()
    assert as_scram(broker, OPEN) == OPEN.encode()
    assert consumed(broker, "oauth", OPEN, **login, **token) == OPEN.encode()


def test_what_is_allowed_can_be_denied_and_forgotten(broker):
    principal = broker.principals["scram"]
    try:
        broker.allow(principal, topic="clo*")
        assert as_scram(broker, CLOSED) == CLOSED.encode()
        broker.deny(principal, topic=CLOSED)
        with pytest.raises(KafkaException) as denied:
            as_scram(broker, CLOSED)
        assert denied.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert as_scram(broker, OPEN) == OPEN.encode()
        broker.forget(principal)
        with pytest.raises(KafkaException, match="TOPIC_AUTHORIZATION_FAILED"):
            as_scram(broker, OPEN)
    finally:
        broker.forget(principal)
        broker.allow(principal, topic=OPEN, group="spark-*")


@pytest.mark.parametrize(
    ("secret", "grant", "status"),
    [("", "client_credentials", 200), ("x", "client_credentials", 401), ("", "password", 400)],
)
def test_a_token_is_given_for_the_clients_secret_alone(broker, secret, grant, status):
    known = f"{broker.client_id}:{broker.client_secret}{secret}".encode()
    headers = {"Authorization": f"Basic {b64encode(known).decode()}"}
    try:
        request = urllib.request.Request(broker.token_url, f"grant_type={grant}".encode(), headers)
        with urllib.request.urlopen(request) as response:
            assert (response.status, json.load(response)["access_token"]) == (status, broker.tokens.tokens[-1])
    except urllib.error.HTTPError as error:
        assert error.code == status


def test_every_broker_has_secrets_of_its_own(broker, tmp_path):
    mine, others = broker.secrets(), SecuredBroker(tmp_path).secrets()
    assert not set(mine.values()) & set(others.values())
    assert all(len(secret) >= 24 for secret in mine.values())
