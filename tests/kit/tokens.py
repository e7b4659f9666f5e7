"""An OAuth token endpoint on loopback: signed tokens for one client, and the keys to check them with."""

import json
import secrets
import time
from base64 import b64decode
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

KEY_ID = "tests"


class TokenServer:
    """Inside `with`, `url` gives a token for the client's id and secret, and `keys_url` the public key."""

    issuer, audience = "https://issuer.test", "kafka"

    def __init__(self, client_id: str, seconds: int = 3600):
        self.client_id, self.client_secret = client_id, secrets.token_urlsafe(18)
        self.seconds = seconds  # how long a token is good for
        self.tokens: list[str] = []  # every one given out
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"tokens": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/token"
        self.keys_url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def __enter__(self) -> "TokenServer":
        Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *raised) -> None:
        self.server.shutdown()
        self.server.server_close()

    def keys(self) -> dict:
        """The JSON Web Key Set."""
        public = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": KEY_ID, "use": "sig", "alg": "RS256"}]}

    def token(self) -> dict:
        """A new token, in the form of RFC 6749."""
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": self.audience, "sub": self.client_id, "scope": "kafka"}
        claims |= {"iat": now, "exp": now + self.seconds, "jti": secrets.token_hex(8)}
        token = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": KEY_ID})
        self.tokens.append(token)
        return {"access_token": token, "token_type": "Bearer", "expires_in": self.seconds, "scope": "kafka"}

    def knows(self, authorization: str) -> bool:
        """Whether the header is HTTP Basic with the client's id and secret."""
        kind, _, encoded = authorization.partition(" ")
        with suppress(ValueError):
            return kind == "Basic" and b64decode(encoded).decode() == f"{self.client_id}:{self.client_secret}"
        return False


class _Handler(BaseHTTPRequestHandler):
    tokens: TokenServer

    def do_GET(self) -> None:
        self.answer(200, self.tokens.keys()) if self.path == "/keys" else self.answer(404, {})

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        if not self.tokens.knows(self.headers.get("Authorization", "")):
            self.answer(401, {"error": "invalid_client"})
        elif form.get("grant_type") != ["client_credentials"]:
            self.answer(400, {"error": "unsupported_grant_type"})
        else:
            self.answer(200, self.tokens.token())

    def answer(self, status: int, content: dict) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        """Nothing: a test's output is its own."""
