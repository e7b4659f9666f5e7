"""What each way to log in tells Kafka's clients."""

import shlex
from pathlib import Path

import pytest

from jobs.arguments import parse
from jobs.auth import AUTH, NETWORKS, jaas, properties

BASE = "--bootstrap-servers b:9098 --topics t --transform transforms.raw:raw --table /tmp/table"
README = Path("README.md").read_text()
ROLE = "arn:aws:iam::111122223333:role/reader"
USER = {"username": "u", "password": "p"}
CLIENT = {"client_id": "i", "client_secret": "s"}
IAM = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "AWS_MSK_IAM",
    "sasl.client.callback.handler.class": "software.amazon.msk.auth.iam.IAMClientCallbackHandler",
    "reconnect.backoff.ms": "1000",
}
IAM_TOKEN = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "OAUTHBEARER",
    "sasl.login.callback.handler.class": "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler",
    "sasl.client.callback.handler.class": "software.amazon.msk.auth.iam.IAMOAuthBearerLoginCallbackHandler",
    "reconnect.backoff.ms": "1000",
}
TOKEN = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "OAUTHBEARER",
    "sasl.login.callback.handler.class": (
        "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler"
    ),
    "sasl.oauthbearer.token.endpoint.url": "https://id/token",
}
BEARER = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required"


@pytest.mark.parametrize(
    "flags, credentials, made, jaas",
    [
        ("", {}, {}, None),
        ("--auth tls", {}, {"security.protocol": "SSL"}, None),
        ("--auth mtls --keystore x.p12", {}, {"security.protocol": "SSL"}, None),
        (
            "--auth scram",
            USER,
            {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"},
            'org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="p";',
        ),
        ("--auth iam", {}, IAM, "software.amazon.msk.auth.iam.IAMLoginModule required;"),
        (
            f"--auth iam --role-arn {ROLE} --role-external-id x:y --sts-region eu-west-1",
            {},
            IAM,
            f'software.amazon.msk.auth.iam.IAMLoginModule required awsRoleArn="{ROLE}" awsRoleExternalId="x:y" '
            'awsStsRegion="eu-west-1" awsRoleSessionName="floodmark";',
        ),
        ("--auth oauthbearer", {}, IAM_TOKEN, f"{BEARER};"),
        (
            f"--auth oauthbearer --role-arn {ROLE}",
            {},
            IAM_TOKEN,
            f'{BEARER} awsRoleArn="{ROLE}" awsRoleSessionName="floodmark";',
        ),
        (
            "--auth oauthbearer --token-endpoint https://id/token",
            CLIENT,
            TOKEN,
            f'{BEARER} clientId="i" clientSecret="s";',
        ),
        (
            "--auth oauthbearer --token-endpoint https://id/token",
            {**CLIENT, "scope": "read"},
            TOKEN,
            f'{BEARER} clientId="i" clientSecret="s" scope="read";',
        ),
    ],
)
def test_a_way_to_log_in_is_these_properties(flags, credentials, made, jaas):
    expected = {**made, "sasl.jaas.config": jaas} if jaas else made
    assert properties(parse(shlex.split(f"{BASE} {flags}")), credentials) == expected


def test_what_the_flags_or_the_secret_do_not_name_is_no_option():
    made = properties(parse(shlex.split(f"{BASE} --auth scram")), {**USER, "client_id": "x"})
    assert "x" not in made["sasl.jaas.config"]


def test_a_value_stays_one_value_whatever_is_in_it():
    assert jaas("M", {"a": 'x"; N required b="\\'}) == 'M required a="x\\"; N required b=\\"\\\\";'
    assert jaas("M", {"a": "x\ny\rz"}) == 'M required a="x\\ny\\rz";'


def test_the_readmes_flags_are_taken():
    section = README[README.index("## Authentication") : README.index("## Reading the table")]
    lines = section.split("```")[1].replace("\\\n", " ").strip().splitlines()
    made = [parse(shlex.split(f"{BASE} {line}")) for line in lines]
    assert {settings.auth for settings in made} == set(AUTH) - {"none"}
    assert any(settings.token_endpoint for settings in made) and any(settings.role_arn for settings in made)


def test_msks_ports_are_those_of_its_documentation():
    private = {name: row.ports["private"] for name, row in AUTH.items()}
    assert private == {"none": 9092, "tls": 9094, "mtls": 9094, "scram": 9096, "iam": 9098, "oauthbearer": 9098}
    public = {name: row.ports.get("public") for name, row in AUTH.items()}
    assert all(f"| `{name}` | {port}" in README for name, port in private.items())
    assert public == {"none": None, "tls": 9194, "mtls": 9194, "scram": 9196, "iam": 9198, "oauthbearer": 9198}


def test_msk_calls_its_brokers_what_the_table_says():
    """botocore ships AWS's own description of the answer."""
    from botocore.session import get_session

    answer = get_session().get_service_model("kafka").operation_model("GetBootstrapBrokers").output_shape.members
    names = {f"BootstrapBrokerString{NETWORKS[network]}{row.brokers}" for row in AUTH.values() for network in NETWORKS}
    assert names - set(answer) == {"BootstrapBrokerStringPublic", "BootstrapBrokerStringVpcConnectivity"}
    ipv6 = {name for name in answer if name.endswith("Ipv6")}
    assert set(answer) - names == ipv6
