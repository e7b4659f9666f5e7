"""AWS itself: the one file of this room that holds boto3."""

import contextlib
import hashlib
from base64 import b64encode
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

FAULTS = (BotoCoreError, ClientError)


class Failed(Exception):
    """What AWS didn't do, in one line."""


def client(service: str):
    return boto3.client(service)


@contextlib.contextmanager
def doing(what: str):
    """AWS's errors within are one line that says what was being done."""
    try:
        yield
    except FAULTS as error:
        raise Failed(f"{what}: {' '.join(str(error).split())}") from None


def split(uri: str) -> dict[str, str]:
    bucket, _, key = uri.partition("://")[2].partition("/")
    return {"Bucket": bucket, "Key": key}


def absent(uri: str) -> bool:
    with doing(f"asking for {uri}"):
        try:
            client("s3").head_object(**split(uri))
            return False
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
                return True
            raise


def upload(path: Path, uri: str) -> None:
    """The file's bytes are at `uri`, which another upload of the same may have put there meanwhile."""
    data = path.read_bytes()
    digest = b64encode(hashlib.sha256(data).digest()).decode()
    with doing(f"uploading {uri}"):
        try:
            client("s3").put_object(**split(uri), Body=data, ChecksumSHA256=digest, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("412", "PreconditionFailed"):
                raise
