"""A real S3 over HTTP, by moto's server: what boto3 and S3A speak to in tests."""

import io
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Lock

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.wrappers import Request

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


class S3Server:
    """`with S3Server(folder) as s3:` serves one empty bucket; `environment` points any AWS client at it."""

    bucket = "floodmark"

    def __init__(self, folder: Path, if_none_match: str = "heeded"):
        self.if_none_match = if_none_match
        self.log = folder / "s3.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {**CREDENTIALS, "AWS_ENDPOINT_URL_S3": self.url}

    def __enter__(self) -> "S3Server":
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=Path(__file__).parents[2])
        for _ in range(100):
            try:
                self.client().create_bucket(Bucket=self.bucket)
                return self
            except BotoCoreError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.1)
        self.process.kill()
        raise RuntimeError(f"moto's server did not start:\n{self.log.read_text()[-2000:]}")

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.kit.s3", str(self.port), self.if_none_match]

    def client(self, key: str = "test", url: str | None = None):
        return boto3.client(
            "s3",
            endpoint_url=url or self.url,
            region_name=CREDENTIALS["AWS_REGION"],
            aws_access_key_id=key,
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=32),
        )


def atomic(application):
    """One request after the other: by itself moto lists and creates in steps that another thread comes between."""
    turn = Lock()

    def alone(environ, start_response):
        body = Request(environ).get_data()
        environ |= {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
        with turn:
            return application(environ, start_response)

    return alone


def serve(port: str, if_none_match: str) -> None:
    """moto's server; some stores know no If-None-Match: it is `ignored` or `refused` there."""
    moto = DomainDispatcherApplication(create_backend_app)

    def application(environ, start_response):
        if if_none_match != "heeded" and environ.pop("HTTP_IF_NONE_MATCH", None) and if_none_match == "refused":
            start_response("501 Not Implemented", [("Content-Type", "application/xml")])
            return [b"<Error><Code>NotImplemented</Code><Message>A header you provided implies\nmore</Message></Error>"]
        return moto(environ, start_response)

    run_simple("127.0.0.1", int(port), atomic(application), threaded=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
