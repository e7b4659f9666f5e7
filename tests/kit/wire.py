"""A broker whose clients reach it over a wire that breaks and falls silent by a plan."""

import random
import socket
import socketserver
import struct
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path

from tests.kit.broker import Broker

CHUNK = 1 << 14
RESET = struct.pack("ii", 1, 0)  # what a close throws away, the other side hears of


class WiredBroker(Broker):
    """Whoever asks at `wired` goes over the wire from then on; who asks at `bootstrap` goes past it.

    Of the chunks that the broker sends, `resets` is the share after which the connection is reset, and `stalls` the
    share after which it stays open, but nothing comes any more. `done` counts both.
    """

    listeners: Mapping[str, str] = {"plaintext": "PLAINTEXT", "wire": "PLAINTEXT"}

    def __init__(self, folder: Path, seed: int = 1):
        super().__init__(folder)
        self.seed = seed
        self.resets = self.stalls = 0.0
        self.done: Counter[str] = Counter()
        self.numbers = count()

    def listen(self) -> None:
        super().listen()
        self.wire = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self.wire.daemon_threads = True
        threading.Thread(target=self.wire.serve_forever, daemon=True).start()
        self.wired = f"127.0.0.1:{self.wire.server_address[1]}"

    def settings(self) -> dict:
        advertised = f"PLAINTEXT://{self.at('plaintext')},WIRE://{self.wired}"
        return super().settings() | {"advertised.listeners": advertised}

    def __exit__(self, *raised) -> None:
        super().__exit__(*raised)
        self.wire.shutdown()
        self.wire.server_close()

    def fault(self) -> str | None:
        """What happens after the next chunk."""
        draw = random.Random(f"{self.seed} {next(self.numbers)}").random()
        fault = "reset" if draw < self.resets else "stall" if draw < self.resets + self.stalls else None
        if fault:
            self.done[fault] += 1
        return fault

    def _handler(self) -> type[socketserver.BaseRequestHandler]:
        broker = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                host, port = broker.at("wire").split(":")
                with socket.create_connection((host, int(port))) as inner:
                    threading.Thread(target=self.hand_back, args=(inner,), daemon=True).start()
                    with suppress(OSError):
                        while data := self.request.recv(CHUNK):
                            inner.sendall(data)

            def hand_back(self, inner: socket.socket) -> None:
                """Until a fault. After a stall the other direction goes on, so only the client can end it."""
                with suppress(OSError):
                    while data := inner.recv(CHUNK):
                        self.request.sendall(data)
                        fault = broker.fault()
                        if fault == "reset":
                            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                            self.request.shutdown(socket.SHUT_RDWR)
                        if fault:
                            return

        return Handler
