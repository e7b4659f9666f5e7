"""Certificates made for one test: an authority's, a server's and a client's, in every form that clients read."""

import secrets
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = timedelta(days=7)
BITS = 2048  # RSA, for every Java has it; elliptic curves are a module that a small runtime may lack


class Signed:
    """A key and its certificate. Without an issuer it is an authority, which signs itself."""

    def __init__(self, name: str, issuer: "Signed | None" = None):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.issuer = issuer or self
        now = datetime.now(timezone.utc)
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.issuer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + VALID)
            .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        )
        if issuer:
            local = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
            usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.SubjectAlternativeName(local), critical=False)
            builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        self.certificate = builder.sign(self.issuer.key, hashes.SHA256())

    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def key_pem(self, password: str = "") -> bytes:
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    def chain(self) -> bytes:
        """The certificate and its issuer's."""
        return self.pem() + self.issuer.pem()

    def keystore(self, password: str) -> bytes:
        """A PKCS12 store of the key and its chain."""
        issuers = [self.issuer.certificate]
        encryption = BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(b"key", self.key, self.certificate, issuers, encryption)

    def truststore(self, password: str) -> bytes:
        """A PKCS12 store with which Java trusts what this authority signed."""
        trusted = [pkcs12.PKCS12Certificate(self.certificate, b"ca")]
        return pkcs12.serialize_java_truststore(trusted, BestAvailableEncryption(password.encode()))


class Files:
    """What the server and one client need, in `folder`; the passwords are random.

    `client_pem` is `client_key_pem` and `client_chain_pem` in one file. In `client_locked_pem` the key needs
    `key_password`; it is encrypted as OpenSSL does it today (PBES2), which Kafka can't read on Java 17.
    """

    def __init__(self, folder: Path, client: str):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.keystore_password, self.truststore_password, self.key_password = (
            secrets.token_urlsafe(18) for _ in range(3)
        )
        self.authority = Signed("Floodmark tests")
        self.ca_pem = self._written("ca.pem", self.authority.pem())
        self.truststore_p12 = self._written("truststore.p12", self.authority.truststore(self.truststore_password))
        server = Signed("localhost", self.authority)
        self.server_p12 = self._written("server.p12", server.keystore(self.keystore_password))
        signed = Signed(client, self.authority)
        self.client_p12 = self._written("client.p12", signed.keystore(self.keystore_password))
        self.client_key_pem = self._written("client-key.pem", signed.key_pem())
        self.client_chain_pem = self._written("client-chain.pem", signed.chain())
        self.client_pem = self._written("client.pem", signed.key_pem() + signed.chain())
        self.client_locked_pem = self._written("client-locked.pem", signed.key_pem(self.key_password) + signed.chain())

    def _written(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(data)
        return path
