"""What an error of Kafka's, of its login or of AWS means for a user's flags: one line of plain words."""

import re
from collections.abc import Iterator

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from jobs import auth
from jobs.settings import Refused, Settings

IN_THE_SECRET = "mend it in --secret or in the environment's FLOODMARK_…"
CROWDED = "MSK takes no more connections now; give reconnect.backoff.ms a larger value: {message}"
AWAY = "{servers} doesn't answer as --auth {auth} expects: look at port, security groups, routes{port} ({message})"
# What "Class: message" says → the flag, and what to do. The first row that fits the innermost error wins.
WORDS: list[tuple[str, str, str]] = [
    (r"UnknownTopicOrPartitionException", "--topics", "not every one of {topics} is on {servers}"),
    (r"PatternSyntaxException", "--topics-pattern", "{message}"),
    (r"TopicAuthorizationException", "--topics", "the principal may not read {topics}; it needs {rights}"),
    (r"GroupAuthorizationException", "--group-prefix", "{group!r} begins no group it may use; it needs {rights}"),
    (r"ClusterAuthorizationException", "--auth", "the principal may not do that on {servers}; it needs {rights}"),
    (r"Class \S+ could not be found|unable to find LoginModule|ClassNotFoundException", "--jars",
     "--auth {auth} needs a class that no jar has, aws-msk-iam-auth perhaps: {message}"),
    (r"token endpoint", "--token-endpoint, --secret", "there comes no token: {message}"),
    (r"StsException", "--role-arn", "the role can't be assumed: {message}"),
    (r"SdkClientException", "--auth", "there are no AWS credentials or no region for --auth {auth}: {message}"),
    (r"SaslAuthenticationException: .*(Too many connects)", "--kafka-option", CROWDED),
    (r"SaslAuthenticationException: .*Access denied", "--auth",
     "MSK doesn't let this principal in: it needs {rights} ({message})"),
    (r"SaslAuthenticationException", "--auth, --secret",
     "{servers} doesn't accept these credentials of --auth {auth}; " + IN_THE_SECRET + ": {message}"),
    (r"UnsupportedSaslMechanismException|IllegalSaslStateException", "--auth",
     "{servers} doesn't take --auth {auth}{port}: {message}"),
    (r"CertPathBuilderException|ValidatorException|CertPathValidatorException", "--truststore",
     "the certificate of {servers} comes from nobody that is known here; name its authority: {message}"),
    (r"CertificateException: No (name|subject)", "--bootstrap-servers", "its certificate is another's: {message}"),
    (r"SSLHandshakeException: .*(certificate|handshake_failure)|SSLException: .*certificate", "--keystore",
     "{servers} doesn't accept the client's certificate, or asks for one (--auth mtls): {message}"),
    (r"SSLException|SSLHandshakeException|SslAuthenticationException", "--auth",
     "{servers} doesn't speak TLS as --auth {auth} does{port}: {message}"),
    (r"UnrecoverableKeyException|password was incorrect|BadPaddingException", "--keystore, --truststore",
     "the store's password is wrong; " + IN_THE_SECRET + ": {message}"),
    (r"NoSuchAlgorithmException: PBES2", "--keystore",
     "Java opens no key in a .pem that OpenSSL has sealed; make it a .p12 with openssl pkcs12 -export ({message})"),
    (r"InvalidConfigurationException|Failed to load SSL|KeyStoreException", "--keystore, --truststore",
     "the store can't be used; look at its password in --secret or FLOODMARK_KEY_PASSWORD: {message}"),
    (r"ConfigException", "--kafka-option", "{message}"),
    (r"TimeoutException|DisconnectException", "--bootstrap-servers", AWAY),
]  # fmt: skip
# Spark's S3 fails in words of its own, some of them the same.
OF_THE_STORE = re.compile(r" on s3[an]?://|hadoop\.fs\.s3a|emr\.hadoop\.fs|services\.s3\.")


class Unreachable(Refused):
    """The flags may be right and the brokers, or AWS, away: unlike any other refusal, it may pass."""


def of_aws(flag: str, error: BotoCoreError | ClientError, subject: str, need: str) -> Refused:
    """What AWS's answer means, or that there is none."""
    said = f"{subject}: {' '.join(str(error).split())}"
    return Unreachable(flag, said) if passes(error) else Refused(flag, said + need)


def passes(error: BotoCoreError | ClientError) -> bool:
    """Whether the same request may be answered later: it was too much, AWS failed or wasn't reached."""
    if not isinstance(error, ClientError):
        return isinstance(error, ConnectionError | HTTPClientError)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or bool(
        re.search(r"Throttl|TooManyRequests|Expired", error.response.get("Error", {}).get("Code", ""))
    )


def refusal(settings: Settings, error, servers: str = "") -> Refused:
    """What a Java exception means: the innermost of its causes that is known."""
    chain = list(causes(error))
    for kind, message in reversed(chain):
        if refused := meaning(settings, f"{kind}: {message}", servers):
            return refused
    kind, message = chain[-1]
    asked = servers or settings.bootstrap_servers
    return Refused("--bootstrap-servers, --kafka-option", f"{asked} can't be asked: {kind}: {message}".splitlines()[0])


def causes(error) -> Iterator[tuple[str, str]]:
    """The class and the message of a Java exception and of each cause."""
    while error is not None:
        yield error.getClass().getSimpleName(), error.getMessage() or ""
        error = error.getCause()


def meaning(settings: Settings, text: str, servers: str = "") -> Refused | None:
    """What a text with an exception's class and message means, if it is one that is known."""
    if OF_THE_STORE.search(text):
        return None
    servers = servers or settings.bootstrap_servers
    for pattern, flag, words in WORDS:
        if found := re.search(pattern, text):
            message = text[found.start() :].partition(": ")[2] or text
            return (Unreachable if words in (AWAY, CROWDED) else Refused)(flag, words.format(
                auth=settings.auth, servers=servers, group=settings.group_prefix, rights=auth.chosen(settings).rights,
                topics=", ".join(settings.topics) or settings.topics_pattern, port=port(settings, servers),
                message=" ".join(message.splitlines()[0].split()) if message else "",
            ))  # fmt: skip
    return None


def port(settings: Settings, servers: str) -> str:
    """A remark on a port that MSK has for another way to log in."""
    row = auth.chosen(settings)
    for given in sorted({int(number) for number in re.findall(r":(\d+)(?:,|$)", servers)}):
        owners = [name for name, other in auth.AUTH.items() if given in other.ports.values()]
        if owners and row.ports and given not in row.ports.values():
            own = ", ".join(f"{network} {number}" for network, number in row.ports.items())
            return f"; MSK has port {given} for --auth {' or '.join(owners)}, and for --auth {settings.auth}: {own}"
    return ""
