"""Stand-ins for what moto lacks of Amazon MSK: GetBootstrapBrokers, and a broker's login by IAM."""

import base64
import json
import socket
import socketserver
import struct
import threading
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.kit.broker import Broker

SASL_HANDSHAKE, SASL_AUTHENTICATE = 17, 36


class Clusters:
    """`with Clusters({arn: answer}) as msk:` answers as MSK's REST interface does; `asked` has who asked for what."""

    def __init__(self, clusters: Mapping[str, Mapping[str, str]]):
        self.clusters = clusters
        self.asked: list[tuple[str, str]] = []  # the ARN, and the access key that signed the request

    def __enter__(self) -> "Clusters":
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        msk = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                arn = unquote(self.path.removeprefix("/v1/clusters/").removesuffix("/bootstrap-brokers"))
                msk.asked.append((arn, self.headers["Authorization"].split("Credential=")[1].split("/")[0]))
                known = arn in msk.clusters
                missing = {"invalidParameter": "clusterArn", "message": "The cluster does not exist."}
                body = json.dumps(msk.clusters[arn] if known else missing).encode()
                self.send_response(200 if known else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                if not known:
                    self.send_header("x-amzn-ErrorType", "NotFoundException")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        return Handler


class Login(NamedTuple):
    mechanism: str
    token: dict[str, str]  # what the client signed, by the lower-case names of AWS's query: x-amz-credential, …

    @property
    def key(self) -> str:
        return self.token["x-amz-credential"].split("/")[0]


class IamBroker(Broker):
    """A real broker behind a door that logs in as MSK does with IAM, but believes every signature; `logins` has them.

    The door answers Kafka's two SASL requests and hands everything else on, so that a client without SASL comes in too.
    """

    def __init__(self, folder: Path):
        super().__init__(folder)
        self.logins: list[Login] = []

    def listen(self) -> None:
        super().listen()
        self.door = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self.door.daemon_threads = True
        threading.Thread(target=self.door.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.door.server_address[1]}"

    def settings(self) -> dict:
        return super().settings() | {"advertised.listeners": f"PLAINTEXT://{self.address}"}

    def __exit__(self, *raised) -> None:
        super().__exit__(*raised)
        self.door.shutdown()
        self.door.server_close()

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        broker = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                host, port = broker.bootstrap.split(":")
                with socket.create_connection((host, int(port))) as inner:
                    threading.Thread(target=self.hand_back, args=(inner,), daemon=True).start()
                    while request := frame(self.request):
                        answer = self.login(request)
                        if answer is None:
                            inner.sendall(struct.pack(">i", len(request)) + request)
                        else:
                            self.request.sendall(struct.pack(">i", len(answer)) + answer)

            def hand_back(self, inner):
                with suppress(OSError):  # either side may have gone
                    while data := inner.recv(1 << 16):
                        self.request.sendall(data)

            def login(self, request: bytes) -> bytes | None:
                """The answer to a SASL request; None for any other."""
                kind, _, correlation, client = struct.unpack_from(">hhih", request)
                rest = request[10 + max(client, 0) :]
                if kind == SASL_HANDSHAKE:
                    self.mechanism = rest[2:].decode()
                    return struct.pack(">ihi", correlation, 0, 1) + rest
                if kind == SASL_AUTHENTICATE:
                    length, start = varint(rest, 1)
                    broker.logins.append(Login(self.mechanism, signed(rest[start : start + length - 1])))
                    said = b"" if self.mechanism == "OAUTHBEARER" else b'{"version": "2020_10_22", "request-id": "1"}'
                    # no tag, no error, no message; the client's answer; a login without an end; no tag
                    return struct.pack(">ibhbb", correlation, 0, 0, 0, len(said) + 1) + said + bytes(9)
                return None

        return Handler


def frame(connection: socket.socket) -> bytes:
    """The next request without its length; nothing once the client has gone."""
    head = exactly(connection, 4)
    return exactly(connection, struct.unpack(">i", head)[0]) if head else b""


def exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            return b""
        data += more
    return data


def varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned number of Kafka's compact forms, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def signed(message: bytes) -> dict[str, str]:
    """What an AWS_MSK_IAM or OAUTHBEARER client sends: JSON, or a signed address in base64."""
    if message.startswith(b"{"):
        return json.loads(message)
    token = message.split(b"auth=Bearer ")[1].split(b"\x01")[0]
    query = urlsplit(base64.urlsafe_b64decode(token + b"=" * (-len(token) % 4)).decode()).query
    return {name.lower(): value for name, value in parse_qsl(query)}
