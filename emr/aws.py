"""AWS itself: the one file of this room that holds boto3."""

import contextlib
import hashlib
import os
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

FAULTS = (BotoCoreError, ClientError)


class Failed(Exception):
    """What AWS didn't do, in one line."""


def client(service: str, region: str | None = None, attempts: int | None = None):
    """A client in that region, or where boto3's own settings and AWS_REGION, which boto3 does not read, say.

    With one of `attempts` it sends nothing twice: for requests that AWS has no token for.
    """
    region = region or boto3.Session().region_name or os.environ.get("AWS_REGION")
    config = Config(retries={"total_max_attempts": attempts}) if attempts else None
    return boto3.client(service, region_name=region, config=config)


def call(client, operation: str, request: dict) -> dict:
    """AWS's answer to a request by the name of its operation."""
    return getattr(client, xform_name(operation))(**request)


@contextlib.contextmanager
def doing(what: str):
    """AWS's errors within are one line that says what was being done."""
    try:
        yield
    except FAULTS as error:
        raise Failed(f"{what}: {' '.join(str(error).split())}") from None


class Objects:
    """Objects on S3, each by its URI, as a client in `region` sees them."""

    def __init__(self, region: str | None = None):
        self.client = client("s3", region)

    def absent(self, uri: str) -> bool:
        with doing(f"asking for {uri}"):
            try:
                self.client.head_object(**split(uri))
                return False
            except ClientError as error:
                if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                    return True
                raise

    def upload(self, path: Path, uri: str) -> None:
        """The file's bytes are at `uri`, which another upload of the same may have put there meanwhile."""
        data = path.read_bytes()
        digest = b64encode(hashlib.sha256(data).digest()).decode()
        with doing(f"uploading {uri}"):
            try:
                self.client.put_object(**split(uri), Body=data, ChecksumSHA256=digest, IfNoneMatch="*")
            except ClientError as error:
                if error.response["Error"]["Code"] not in ("412", "PreconditionFailed"):
                    raise

    def write(self, uri: str, data: bytes) -> None:
        with doing(f"writing {uri}"):
            self.client.put_object(**split(uri), Body=data)

    def read(self, uri: str) -> bytes:
        with doing(f"reading {uri}"):
            return self.client.get_object(**split(uri))["Body"].read()

    def delete(self, uri: str) -> None:
        with doing(f"deleting {uri}"):
            self.client.delete_object(**split(uri))

    def listed(self, uri: str) -> Iterator[str]:
        """Every object whose URI begins so."""
        at = split(uri)
        with doing(f"listing {uri}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=at["Bucket"], Prefix=at["Key"])
            for page in pages:
                yield from (f"s3://{at['Bucket']}/{item['Key']}" for item in page.get("Contents", []))


def split(uri: str) -> dict[str, str]:
    bucket, _, key = uri.partition("://")[2].partition("/")
    return {"Bucket": bucket, "Key": key}
