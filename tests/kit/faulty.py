"""A network between the job and its S3 that fails by a plan: each request passes here, and some don't pass whole.

A plan is a list of rows (fault, share, where): the fault befalls that share of the requests in whose "METHOD /path" the
pattern `where` is found. Which requests they are, a seed decides.
"""

import http.client
import json
import random
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Lock, Timer

from tests.kit.broker import free_ports
from tests.kit.s3 import S3Server

# What S3 answers. (An expired token is a 400 there, not a 403.)
ERRORS = {
    "503": (503, "SlowDown", "Please reduce your request rate."),
    "500": (500, "InternalError", "We encountered an internal error. Please try again."),
    "expired": (400, "ExpiredToken", "The provided token has expired."),
}
# Each of the other faults, and the requests that it can befall.
EVERY = "^"
CUTS = {
    "request lost": EVERY,  # it is never applied
    "response lost": EVERY,  # it was applied
    "applied late": EVERY,  # it is, when the client has long heard that the connection broke
    "slow": EVERY,  # half of the answer comes late
    "silent": EVERY,  # no answer, for longer than anybody waits
    "answer cut": "^GET",  # half of the answer comes, then the connection breaks
    "body cut": "^PUT",  # half of the request is sent on, then the connection breaks
}
SILENCE_S = 60
HOPS = {"connection", "keep-alive", "transfer-encoding", "expect"}  # headers that are between two neighbours only

Plan = list[tuple[str, float, str]]


def everywhere(shares: dict[str, float]) -> Plan:
    """A plan with each fault wherever it can befall."""
    return [(fault, share, CUTS.get(fault, EVERY)) for fault, share in shares.items()]


class Faulty:
    """`with Faulty(folder, s3, seed) as faulty:` stands for `s3`, behind this network; `client()` goes past it."""

    def __init__(self, folder: Path, s3: S3Server, seed: int = 1):
        self.folder, self.s3, self.seed = folder, s3, seed
        self.bucket, self.client = s3.bucket, s3.client
        (self.port,) = free_ports(1)
        self.environment = {**s3.environment, "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self.port}"}
        self.plan([])

    def plan(self, plan: Plan) -> None:
        """What happens from now on."""
        half = self.folder / "plan.half"
        half.write_text(json.dumps(plan))
        half.replace(self.folder / "plan.json")

    def done(self) -> Counter[tuple[str, str]]:
        """How often each fault befell each client, `boto3` or `s3a`."""
        lines = (self.folder / "done.jsonl").read_text().splitlines()
        return Counter((one["fault"], one["client"]) for one in map(json.loads, lines))

    def __enter__(self) -> "Faulty":
        command = [sys.executable, "-m", "tests.kit.faulty", str(self.port), str(self.s3.port), str(self.folder)]
        with open(self.folder / "faulty.log", "wb") as log:
            self.process = subprocess.Popen(
                [*command, str(self.seed)], stdout=log, stderr=log, cwd=Path(__file__).parents[2]
            )
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except OSError:
                time.sleep(0.1)
        self.process.kill()
        raise RuntimeError(f"the proxy did not start:\n{(self.folder / 'faulty.log').read_text()[-2000:]}")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


class Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, inner: int, folder: Path, seed: str):
        super().__init__(("127.0.0.1", port), Handler)
        self.inner, self.folder, self.seed = inner, folder, seed
        self.numbers, self.lock = count(), Lock()
        self.log = (folder / "done.jsonl").open("a", buffering=1)

    def fault(self, request: str, client: str) -> str | None:
        """What befalls this request; it is noted."""
        plan = json.loads((self.folder / "plan.json").read_text())
        with self.lock:
            n = next(self.numbers)
            draw = random.Random(f"{self.seed} {n}").random()
            for fault, share, where in plan:
                if re.search(where, request):
                    if draw < share:
                        self.log.write(
                            json.dumps({"n": n, "fault": fault, "client": client, "request": request}) + "\n"
                        )
                        return fault
                    draw -= share
        return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def pass_on(self) -> None:
        client = "boto3" if "boto" in self.headers["User-Agent"].lower() else "s3a"
        fault = self.server.fault(f"{self.command} {self.path}", client)
        if fault == "request lost":
            return self.hang_up()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if fault in ERRORS:
            return self.refuse(*ERRORS[fault])
        if fault == "silent":
            time.sleep(SILENCE_S)
            return self.hang_up()
        if fault == "applied late":
            Timer(random.uniform(0.5, 2), self.asked, [body]).start()
            return self.hang_up()
        if fault == "body cut":
            self.sent(body[: len(body) // 2]).close()
            return self.hang_up()
        status, headers, data = self.asked(body)
        if fault == "response lost":
            return self.hang_up()
        self.answer(status, headers, data, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = pass_on

    def sent(self, body: bytes) -> http.client.HTTPConnection:
        """A connection to S3 with the request in it, and so much of its body."""
        inner = http.client.HTTPConnection("127.0.0.1", self.server.inner)
        inner.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOPS:
                inner.putheader(name, value)
        inner.endheaders(body)
        return inner

    def asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        inner = self.sent(body)
        response = inner.getresponse()
        data = response.read()
        inner.close()
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in HOPS]
        if "content-length" not in response.headers and response.status != 204:
            headers.append(("Content-Length", str(len(data))))
        return response.status, headers, data

    def answer(self, status: int, headers: list[tuple[str, str]], data: bytes, fault: str | None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        half = len(data) // 2
        self.wfile.write(data[:half])
        if fault == "answer cut":
            return self.hang_up()
        if fault == "slow":
            time.sleep(random.uniform(0.5, 2))
        self.wfile.write(data[half:])

    def refuse(self, status: int, code: str, message: str) -> None:
        data = (
            b""
            if self.command == "HEAD"
            else f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        )
        self.answer(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(data)))], data, None)

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port, inner, folder, seed = sys.argv[1:]
    Proxy(int(port), int(inner), Path(folder), seed).serve_forever()
