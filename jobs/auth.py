"""How a job tells Kafka who it is: one table of ways, and the client's properties that each of them gives.

Pure, standard library only. What a row says is checked before Spark starts; who misses a way adds a row.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

# The principal of an assumed role ends in the session's name, and Kafka refuses a connection whose principal changes
# when its credentials are renewed: so it is always the same.
SESSION = "floodmark"
MSK = "software.amazon.msk.auth.iam"
OAUTH = "org.apache.kafka.common.security.oauthbearer"

ROLE_FLAGS = ("role_arn", "role_external_id", "sts_region")
ACL = "READ and DESCRIBE on the topic, READ on groups that begin with --group-prefix"
IAM = "kafka-cluster:Connect, DescribeTopic and ReadData, and AlterGroup and DescribeGroup for --group-prefix"


class Auth(NamedTuple):
    """One way: which fields of the settings go with it, which credentials it needs, what the client is told."""

    ports: Mapping[str, int]  # MSK's, by network
    brokers: str  # how MSK's GetBootstrapBrokers calls these
    rights: str  # what the principal needs
    properties: Mapping[str, str]
    flags: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    module: str = ""  # the JAAS login module
    options: Mapping[str, str] = {}  # its options, by the credential or the field of the settings that fills it


def _ports(private: int) -> dict[str, int]:
    return {"private": private, "public": private + 100}


_SASL = {"security.protocol": "SASL_SSL"}
_ROLE = {"awsRoleArn": "role_arn", "awsRoleExternalId": "role_external_id", "awsStsRegion": "sts_region"}
_MSK_IAM = Auth(
    ports=_ports(9098),
    brokers="SaslIam",
    rights=IAM,
    properties={
        **_SASL,
        "sasl.mechanism": "AWS_MSK_IAM",
        "sasl.client.callback.handler.class": f"{MSK}.IAMClientCallbackHandler",
        # MSK takes a hundred new connections a second and broker; Kafka's own default would knock twenty times.
        "reconnect.backoff.ms": "1000",
    },
    flags=("truststore", *ROLE_FLAGS),
    takes=("truststore_password",),
    module=f"{MSK}.IAMLoginModule",
    options=_ROLE,
)

AUTH: dict[str, Auth] = {
    "none": Auth(ports={"private": 9092}, brokers="", rights=ACL, properties={}),
    "tls": Auth(
        ports=_ports(9094),
        brokers="Tls",
        rights=ACL,
        properties={"security.protocol": "SSL"},
        flags=("truststore",),
        takes=("truststore_password",),
    ),
    "mtls": Auth(
        ports=_ports(9094),
        brokers="Tls",
        rights=ACL,
        properties={"security.protocol": "SSL"},
        flags=("keystore", "truststore"),
        takes=("keystore_password", "key_password", "truststore_password"),
    ),
    "scram": Auth(
        ports=_ports(9096),
        brokers="SaslScram",
        rights=ACL,
        properties={**_SASL, "sasl.mechanism": "SCRAM-SHA-512"},
        flags=("truststore",),
        needs=("username", "password"),
        takes=("truststore_password",),
        module="org.apache.kafka.common.security.scram.ScramLoginModule",
        options={"username": "username", "password": "password"},
    ),
    "iam": _MSK_IAM,
    "oauthbearer": _MSK_IAM._replace(
        properties={
            **_MSK_IAM.properties,
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.login.callback.handler.class": f"{MSK}.IAMOAuthBearerLoginCallbackHandler",
            "sasl.client.callback.handler.class": f"{MSK}.IAMOAuthBearerLoginCallbackHandler",
        },
        flags=(*_MSK_IAM.flags, "token_endpoint"),
        module=f"{OAUTH}.OAuthBearerLoginModule",
    ),
}
# The tokens of anyone else's endpoint: the same flag, another row.
TOKEN_ENDPOINT = Auth(
    ports={},
    brokers="",
    rights=ACL,
    properties={
        **_SASL,
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.login.callback.handler.class": f"{OAUTH}.OAuthBearerLoginCallbackHandler",
    },
    flags=("truststore", "token_endpoint"),
    needs=("client_id", "client_secret"),
    takes=("scope", "truststore_password"),
    module=f"{OAUTH}.OAuthBearerLoginModule",
    options={"clientId": "client_id", "clientSecret": "client_secret", "scope": "scope"},
)
NETWORKS = {"private": "", "public": "Public", "vpc-connectivity": "VpcConnectivity"}


def chosen(settings) -> Auth:
    """The row that the flags ask for."""
    return TOKEN_ENDPOINT if settings.auth == "oauthbearer" and settings.token_endpoint else AUTH[settings.auth]


def misfits(settings) -> Iterator[tuple[str, str]]:
    """What doesn't go together: the flag, and why."""
    auth, cluster = chosen(settings), settings.bootstrap_servers.startswith("arn:")
    # A role also looks up the brokers of a cluster in another account, whatever the job then logs in with.
    fitting = {*auth.flags, *(ROLE_FLAGS if cluster else ())}
    for field in ("keystore", "truststore", "token_endpoint", *ROLE_FLAGS):
        if getattr(settings, field) and field not in fitting:
            with_it = ", ".join(name for name, row in AUTH.items() if field in row.flags)
            clash = "--token-endpoint" if settings.auth in with_it.split(", ") else f"--auth {settings.auth}"
            yield flag(field), f"does not go with {clash}; it is for --auth {with_it}"
    for field in ("role_external_id", "sts_region"):
        if getattr(settings, field) and not settings.role_arn:
            yield flag(field), "needs --role-arn"
    if settings.auth == "mtls" and not settings.keystore:
        yield "--keystore", "--auth mtls needs the client's key and certificate: a .p12, .jks or .pem file"
    if settings.network and not cluster:
        yield "--network", "only where --bootstrap-servers is a cluster's ARN"
    if cluster and settings.token_endpoint:
        yield "--token-endpoint", "an MSK cluster takes the tokens of IAM only; leave it out"
    options = dict(settings.kafka_options)
    timeout = options.get("kafka.request.timeout.ms", "0")
    if not timeout.isdecimal():
        yield "--kafka-option", f"request.timeout.ms={timeout} is no number of milliseconds"
    least = int(auth.properties.get("reconnect.backoff.ms", 0))
    given = options.get("kafka.reconnect.backoff.ms", str(least))
    if not given.isdecimal() or int(given) < least:
        yield "--kafka-option", f"reconnect.backoff.ms={given} is less than the {least} that MSK's limit asks for"


def flag(field: str) -> str:
    return f"--{field.replace('_', '-')}"


def properties(settings, credentials: Mapping[str, str]) -> dict[str, str]:
    """The Kafka client's properties of the way that the flags ask for; `credentials` has what its row needs."""
    auth = chosen(settings)
    found = dict(auth.properties)
    if settings.token_endpoint:
        found["sasl.oauthbearer.token.endpoint.url"] = settings.token_endpoint
    if auth.module:
        values = {**vars(settings), **credentials}
        options = {option: values[name] for option, name in auth.options.items() if values.get(name)}
        if "awsRoleArn" in options:
            options["awsRoleSessionName"] = SESSION
        found["sasl.jaas.config"] = jaas(auth.module, options)
    return found


def jaas(module: str, options: Mapping[str, str]) -> str:
    """A login module's line, as Kafka's parser takes it: values quoted, whatever is in them."""
    return " ".join([module, "required", *(f"{name}={quoted(value)}" for name, value in options.items())]) + ";"


def quoted(value: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}
    return f'"{"".join(escapes.get(character, character) for character in value)}"'
