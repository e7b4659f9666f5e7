"""What Kafka's errors mean for a user's flags."""

import shlex

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from jobs.arguments import parse
from jobs.refusals import WORDS, Unreachable, meaning, of_aws, port, refusal

ERRORS = "org.apache.kafka.common.errors."


def settings(flags: str = "", servers: str = "b-1:9098,b-2:9098"):
    base = f"--bootstrap-servers {servers} --topics t,u --transform transforms.raw:raw --table /tmp/table"
    return parse(shlex.split(f"{base} {flags}"))


class Thrown:
    """A Java exception as py4j hands it over."""

    def __init__(self, kind: str, message: str | None, cause: "Thrown | None" = None):
        self.kind, self.message, self.cause = kind, message, cause

    def getClass(self):
        return self

    def getSimpleName(self):
        return self.kind

    def getMessage(self):
        return self.message

    def getCause(self):
        return self.cause


def answered(code: str, status: int) -> ClientError:
    response = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "Asked")


CASES = {
    ("SaslAuthenticationException", "Authentication failed during authentication due to invalid credentials"): (
        "--auth scram",
        "--auth, --secret: b-1:9098,b-2:9098 doesn't accept these credentials of --auth scram; mend it in --secret or",
    ),
    ("SaslAuthenticationException", "[1a2b]: Access denied"): (
        "--auth iam",
        "--auth: MSK doesn't let this principal in: it needs kafka-cluster:Connect, DescribeTopic and ReadData",
    ),
    ("SaslAuthenticationException", "[1a2b]: Too many connects"): ("--auth iam", "--kafka-option: MSK takes no more"),
    ("TopicAuthorizationException", "Not authorized to access topics: [t]"): (
        "--auth scram",
        "--topics: the principal may not read t, u; it needs READ and DESCRIBE on the topic",
    ),
    ("GroupAuthorizationException", "Not authorized to access group: x"): (
        "--auth iam --group-prefix logs",
        "--group-prefix: 'logs' begins no group it may use; it needs kafka-cluster:Connect",
    ),
    ("ClusterAuthorizationException", "Cluster authorization failed."): ("", "--auth: the principal may not do that"),
    ("UnsupportedSaslMechanismException", "Client SASL mechanism 'AWS_MSK_IAM' not enabled in the server"): (
        "--auth iam",
        "--auth: b-1:9098,b-2:9098 doesn't take --auth iam: Client SASL mechanism",
    ),
    ("SunCertPathBuilderException", "unable to find valid certification path to requested target"): (
        "--auth tls",
        "--truststore: the certificate of b-1:9098,b-2:9098 comes from nobody that is known here",
    ),
    ("SSLHandshakeException", "Received fatal alert: bad_certificate"): (
        "--auth tls",
        "--keystore: b-1:9098,b-2:9098 doesn't accept the client's certificate, or asks for one (--auth mtls)",
    ),
    ("CertificateException", "No name matching b-1 found"): ("--auth tls", "--bootstrap-servers: its certi"),
    ("TimeoutException", "Timed out waiting for a node assignment. Call: listNodes"): (
        "--auth scram",
        "--bootstrap-servers: b-1:9098,b-2:9098 doesn't answer as --auth scram expects: look at port, security groups,"
        " routes; MSK has port 9098 for --auth iam or oauthbearer, and for --auth scram: private 9096, public 9196 (",
    ),
    ("ConfigException", "Invalid value x.IAM for configuration y: Class x.IAM could not be found."): (
        "--auth iam",
        "--jars: --auth iam needs a class that no jar has, aws-msk-iam-auth perhaps",
    ),
    ("LoginException", "No LoginModule found: unable to find LoginModule class: x"): ("--auth iam", "--jars: --auth i"),
    ("StsException", "User: x is not authorized to perform: sts:AssumeRole"): ("--auth iam", "--role-arn: the role c"),
    ("SdkClientException", "Unable to load credentials from any of the providers"): ("--auth iam", "--auth: there ar"),
    ("PatternSyntaxException", "Dangling meta character '*'"): ("", "--topics-pattern: Dangling meta character '*'"),
    ("Odd", "a\nb"): ("", "--bootstrap-servers, --kafka-option: b-1:9098,b-2:9098 can't be asked: Odd: a"),
    ("NullPointerException", None): ("", "--bootstrap-servers, --kafka-option: b-1:9098,b-2:9098 can't be asked: Null"),
}  # fmt: skip


@pytest.mark.parametrize("error", CASES, ids=lambda error: f"{error[0]}: {error[1]}"[:60])
def test_an_error_is_one_line_that_names_the_flag(error):
    flags, said = CASES[error]
    line = str(refusal(settings(flags), Thrown("ExecutionException", "outer", Thrown(*error))))
    assert line.startswith(said) and "\n" not in line


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (answered("AccessDeniedException", 403), False),
        (answered("NotFoundException", 404), False),
        (answered("ExpiredTokenException", 403), True),
        (answered("TooManyRequestsException", 429), True),
        (answered("ThrottlingException", 400), True),
        (answered("InternalServiceError", 500), True),
        (EndpointConnectionError(endpoint_url="https://kafka"), True),
        (ReadTimeoutError(endpoint_url="https://kafka"), True),
        (NoCredentialsError(), False),
    ],
)
def test_what_aws_may_answer_later_is_no_mistake_of_a_flag(error, may_pass):
    found = of_aws("--secret", error, "name can't be read", " (give it the right)")
    assert isinstance(found, Unreachable) == may_pass and str(found).startswith("--secret: name can't be read: ")
    assert str(found).endswith("(give it the right)") != may_pass


def test_a_cluster_that_is_crowded_may_take_a_connection_later():
    error = Thrown("SaslAuthenticationException", "Too many connects")
    assert isinstance(refusal(settings("--auth iam"), error), Unreachable)


def test_the_innermost_cause_that_is_known_speaks():
    path = Thrown("SunCertPathBuilderException", "unable to find valid certification path to requested target")
    error = Thrown("SslAuthenticationException", "SSL handshake failed", Thrown("SSLHandshakeException", "PKIX", path))
    assert str(refusal(settings("--auth tls"), error)).startswith("--truststore")
    error = Thrown("SaslAuthenticationException", "An error", Thrown("Unheard", "of"))
    assert str(refusal(settings("--auth scram"), error)).startswith("--auth, --secret")


def test_the_text_of_a_query_that_died_on_an_executor_is_understood_too():
    text = f"Job aborted: {ERRORS}TopicAuthorizationException: Not authorized to access topics: [t]\n\tat x"
    assert str(meaning(settings("--auth scram"), text)).startswith("--topics: the principal may not read t, u")
    assert meaning(settings(), "java.lang.NullPointerException") is None


def test_a_port_is_remarked_on_only_where_msk_has_it_for_another_way():
    assert port(settings("--auth iam"), "b:9098") == port(settings("--auth iam"), "b:14001") == ""
    assert port(settings("--auth tls"), "b:9092").startswith(
        "; MSK has port 9092 for --auth none, and for --auth tls: "
    )
    assert port(settings("--auth oauthbearer --token-endpoint https://x"), "b:9092") == ""
    assert port(settings(), "arn:aws:kafka:x") == ""


def test_every_row_can_be_worded():
    for _, _, words in WORDS:
        assert "{message}" in words or "needs {rights}" in words or "on {servers}" in words


@pytest.mark.parametrize(
    "text",
    [
        "getFileStatus on s3://b/t: software.amazon.awssdk.core.exception.SdkClientException: Unable to execute HTTP",
        "org.apache.hadoop.fs.s3a.AWSClientIOException: copyFile(a, b): com.amazonaws.SdkClientException: x",
        "Caused by: java.net.SocketTimeoutException: PUT 0-byte object  on s3a://b/t: Read timed out",
    ],
)
def test_what_the_store_says_is_no_word_of_kafkas(text):
    assert meaning(settings("--auth iam"), text) is None
    assert meaning(settings("--auth iam"), text.replace("s3", "x")) is not None
