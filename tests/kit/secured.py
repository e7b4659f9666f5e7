"""A real broker that asks who is there: TLS, client certificates, SCRAM, OAuth, and ACLs."""

import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from tests.kit.broker import JVM, Broker
from tests.kit.certificates import Files
from tests.kit.tokens import TokenServer
from tests.kit.topics import BrokerError, settled

SECURITY = "org.apache.kafka.common.security"
SETTINGS = {
    # Who shows no certificate, on PLAINTEXT or on SSL, is ANONYMOUS, as on MSK: the kit itself, so it may do all.
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    "ssl.keystore.type": "PKCS12",
    "ssl.truststore.type": "PKCS12",
    "listener.name.mtls.ssl.client.auth": "required",
    "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "listener.name.scram.scram-sha-512.sasl.jaas.config": f"{SECURITY}.scram.ScramLoginModule required;",
    "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
    "listener.name.oauth.oauthbearer.sasl.jaas.config": f"{SECURITY}.oauthbearer.OAuthBearerLoginModule required;",
    "listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": (
        f"{SECURITY}.oauthbearer.OAuthBearerValidatorCallbackHandler"
    ),
}
# What a reader needs of each kind of resource.
READS = {
    "described": (ResourceType.TOPIC, [AclOperation.DESCRIBE]),
    "topic": (ResourceType.TOPIC, [AclOperation.READ, AclOperation.DESCRIBE]),
    "group": (ResourceType.GROUP, [AclOperation.READ]),
}


class SecuredBroker(Broker):
    """A `Broker` that also listens `at` ssl (server certificate only), mtls, scram and oauth; secrets are its own.

    Its principals are ANONYMOUS on plaintext and ssl, who may do all, and `principals[…]` on the others, who may do
    nothing until `allow`: the whole name in the certificate, the SCRAM user, the OAuth client's id.
    """

    listeners: Mapping[str, str] = {
        **Broker.listeners,
        "ssl": "SSL",
        "mtls": "SSL",
        "scram": "SASL_SSL",
        "oauth": "SASL_SSL",
    }

    def __init__(self, folder: Path | str, java_home: str | None = None):
        super().__init__(folder, java_home)
        self.files = Files(self.folder / "tls", client="reader")
        self.tokens = TokenServer("oauth-reader")
        self.user, self.password = "scram-reader", secrets.token_urlsafe(18)
        self.client_id, self.client_secret = self.tokens.client_id, self.tokens.client_secret
        self.token_url = self.tokens.url
        self.principals = {"mtls": "User:CN=reader", "scram": f"User:{self.user}", "oauth": f"User:{self.client_id}"}
        self.jvm = [*JVM, f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={self.tokens.keys_url}"]
        self.formatted = ["--add-scram", f"SCRAM-SHA-512=[name={self.user},password={self.password}]"]

    def __enter__(self) -> "SecuredBroker":
        self.tokens.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *raised) -> None:
        super().__exit__(*raised)
        self.tokens.__exit__(*raised)

    def settings(self) -> dict:
        return (
            super().settings()
            | SETTINGS
            | {
                "ssl.keystore.location": self.files.server_p12,
                "ssl.keystore.password": self.files.keystore_password,
                "ssl.truststore.location": self.files.truststore_p12,
                "ssl.truststore.password": self.files.truststore_password,
                "sasl.oauthbearer.jwks.endpoint.url": self.tokens.keys_url,
                "sasl.oauthbearer.expected.issuer": self.tokens.issuer,
                "sasl.oauthbearer.expected.audience": self.tokens.audience,
            }
        )

    def secrets(self) -> dict[str, str]:
        """What may be seen nowhere but here: by name, every secret there is so far."""
        files = self.files
        return {
            "SCRAM password": self.password,
            "OAuth client secret": self.client_secret,
            "key store password": files.keystore_password,
            "trust store password": files.truststore_password,
            "key password": files.key_password,
            "client key": files.client_key_pem.read_text().splitlines()[1],
            **{f"token {n}": token for n, token in enumerate(self.tokens.tokens)},
        }

    def allow(self, principal: str, **names: str) -> None:
        """`principal` may read `topic=…`, as `group=…`, or only see `described=…`.

        A name that ends in `*` stands for all that begin so.
        """
        self._add(AclPermissionType.ALLOW, principal, names)

    def deny(self, principal: str, **names: str) -> None:
        """`principal` may not, whatever else allows it."""
        self._add(AclPermissionType.DENY, principal, names)

    def forget(self, principal: str) -> None:
        """Nothing is allowed or denied to `principal` any more."""
        settled(self.admin.delete_acls([wanted := acl_filter(principal)]))
        self._await(lambda: not self._acls(wanted), "an ACL stayed")

    def _add(self, permission: AclPermissionType, principal: str, names: Mapping[str, str]) -> None:
        bindings = list(acls(permission, principal, names))
        settled(self.admin.create_acls(bindings))
        self._await(lambda: set(bindings) <= self._acls(acl_filter(principal)), "an ACL did not arrive")

    def _acls(self, wanted: AclBindingFilter) -> set[AclBinding]:
        return set(self.admin.describe_acls(wanted).result(30))

    def _await(self, done, otherwise: str, patience: float = 20) -> None:
        """The broker itself knows what its controller has settled."""
        end = time.monotonic() + patience
        while not done():
            if time.monotonic() > end:
                raise BrokerError(f"{otherwise}:\n{self.last_words()}")
            time.sleep(0.02)


def acls(permission: AclPermissionType, principal: str, names: Mapping[str, str]) -> Iterator[AclBinding]:
    for kind, name in names.items():
        resource, operations = READS[kind]
        begins = name.endswith("*") and name != "*"
        pattern = ResourcePatternType.PREFIXED if begins else ResourcePatternType.LITERAL
        for operation in operations:
            yield AclBinding(resource, name[:-1] if begins else name, pattern, principal, "*", operation, permission)


def acl_filter(principal: str) -> AclBindingFilter:
    """Every ACL of `principal`."""
    return AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, principal, None, AclOperation.ANY, AclPermissionType.ANY
    )
