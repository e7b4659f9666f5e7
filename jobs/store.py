"""The few verbs that the ledger and the sink need of a store, for local folders and S3.

Every place is a URI as `settings` gives it: `s3://bucket/prefix` or an absolute path.
"""

import contextlib
import errno
import os
import random
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from jobs import flags

FAULTS = (OSError, BotoCoreError, ClientError)  # what a store raises when it can't do what it was asked
ABSENT = {"404", "NoSuchKey", "NotFound"}
EXISTS = {"412", "PreconditionFailed"}
CONFLICT = {"409", "ConditionalRequestConflict"}  # another create of the key was under way: ask again
DENIED = {"403", "AccessDenied", "Forbidden"}
NO_PLACE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR}  # for a local folder
UNKNOWN_HEADER = {"501", "NotImplemented"}
LARGEST_COPY = 5 * 2**30  # S3 copies up to 5 GiB in one request
REQUESTS_AT_ONCE = 16
# Botocore waits longer from attempt to attempt, by chance up to 20 s and a minute in all; a store that doesn't answer
# costs four minutes. (While S3 copies, it sends white space.)
PATIENCE = {
    "retries": {"mode": "standard", "total_max_attempts": 8},
    "connect_timeout": 10,
    "read_timeout": 30,
}
WAITS_S = (0.1, 0.2, 0.4, 0.8)  # between attempts at what botocore doesn't try again


class Entry(NamedTuple):
    name: str  # relative to the listed folder
    bytes: int


class Local:
    """A POSIX file system. Hard links make files appear whole, and never replace one."""

    def sent_again(self) -> int:
        return 0

    def create(self, uri: str, data: bytes) -> bool:
        """Whether `uri` now holds `data` because it was absent, or held just these bytes already."""
        temporary = self._written(uri, data)
        try:
            os.link(temporary, uri)
            return True
        except FileExistsError:
            return self.read(uri) == data
        finally:
            temporary.unlink()

    def replace(self, uri: str, data: bytes) -> None:
        os.replace(self._written(uri, data), uri)

    def _written(self, uri: str, data: bytes) -> Path:
        path = Path(uri)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}"
        try:
            with open(temporary, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # the disk is full, for example; a file that is open doesn't say which
            temporary.unlink(missing_ok=True)
            error.filename = uri
            raise
        return temporary

    def read(self, uri: str) -> bytes | None:
        try:
            return Path(uri).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def exists(self, uri: str) -> bool:
        return os.path.exists(uri)

    def files(self, folder: str, after: str = "") -> Iterator[Entry]:
        """Every file below `folder` whose name sorts after `after`; hidden ones, Hadoop's checksums, left out."""
        found = (Path(root, name) for root, _, names in os.walk(folder) for name in names if not name.startswith("."))
        entries = sorted((path.relative_to(folder).as_posix(), path) for path in found)
        return (Entry(name, path.stat().st_size) for name, path in entries if name > after)

    def folders(self, folder: str) -> list[str]:
        """The names of the folders right below `folder`."""
        return [entry.name for entry in os.scandir(folder) if entry.is_dir()] if os.path.isdir(folder) else []

    def reaches(self, source: str, target: str) -> bool:
        """Whether files can be linked from below one folder to below the other; one file system may not be enough."""
        file, link = (_above(folder) / f".{uuid.uuid4().hex}" for folder in (source, target))
        try:
            file.touch()
            os.link(file, link)
            return True
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            return False
        finally:
            file.unlink(missing_ok=True)
            link.unlink(missing_ok=True)

    def admits(self, uri: str) -> None:
        """A file could be written there: its folder, or the nearest one above, takes one, which nobody sees."""
        file = _above(uri) / f".{uuid.uuid4().hex}"
        try:
            file.touch()
        finally:
            file.unlink(missing_ok=True)

    def copy(self, source: str, target: str, size: int) -> bool:
        """Whether `target` exists now; never replaces it. False: the source is gone."""
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileExistsError:
            pass
        except FileNotFoundError:
            return False
        return True

    def delete(self, folder: str) -> None:
        """Removes everything below `folder`, and it. What another process removed meanwhile is no error."""
        for root, folders, names in os.walk(folder, topdown=False):
            for name in names:
                Path(root, name).unlink(missing_ok=True)
            for name in folders:
                _rmdir(Path(root, name))
        _rmdir(Path(folder))

    def discard(self, uri: str) -> None:
        Path(uri).unlink(missing_ok=True)


def _above(folder: str) -> Path:
    """`folder`, or the nearest one above it that exists."""
    path = Path(folder)
    while not path.exists():
        path = path.parent
    return path


def _rmdir(path: Path) -> None:
    with contextlib.suppress(OSError):  # gone, or filled again by its owner
        path.rmdir()


class S3:
    """Amazon S3 and what speaks its protocol. What may pass is tried again, a bounded number of times."""

    def __init__(self, client=None):
        self.client = client or boto3.client("s3", config=Config(**PATIENCE, max_pool_connections=REQUESTS_AT_ONCE))
        self.again = 0
        if not client:
            self.client.meta.events.register("request-created.s3", self._sent)

    def _sent(self, request, **_) -> None:
        self.again += request.context["retries"]["attempt"] > 1

    def sent_again(self) -> int:
        """How many requests had to be sent again since this was last asked."""
        again, self.again = self.again, 0
        return again

    def create(self, uri: str, data: bytes) -> bool:
        """Whether `uri` now holds `data` because it was absent, or held just these bytes already.

        The second case is our own request, applied though its response was lost: botocore sent it again.
        """
        try:
            self._conditional(self.client.put_object, **_at(uri), Body=data)
            return True
        except ClientError as error:
            if _code(error) not in EXISTS:
                raise
        return self.read(uri) == data

    def _conditional(self, operation: Callable, **request) -> None:
        """The request, made only if its key is absent; asked again while another's for the same key is under way."""
        for wait in (*WAITS_S, None):
            try:
                operation(**request, IfNoneMatch="*")
                return
            except ClientError as error:
                if _code(error) not in CONFLICT or wait is None:
                    raise
            self._wait(wait)

    def _wait(self, seconds: float) -> None:
        self.again += 1
        time.sleep(seconds * random.uniform(0.5, 1))

    def replace(self, uri: str, data: bytes) -> None:
        self.client.put_object(**_at(uri), Body=data)

    def read(self, uri: str) -> bytes | None:
        """The object's bytes; botocore sends a request again, but not for a body that breaks off."""
        for wait in (*WAITS_S, None):
            try:
                body = self.client.get_object(**_at(uri))["Body"]
            except ClientError as error:
                if _code(error) in ABSENT:
                    return None
                raise
            try:
                return body.read()
            except BotoCoreError:
                if wait is None:
                    raise
            self._wait(wait)

    def exists(self, uri: str) -> bool:
        try:
            self.client.head_object(**_at(uri))
            return True
        except ClientError as error:
            if _code(error) in ABSENT:
                return False
            raise

    def files(self, folder: str, after: str = "") -> Iterator[Entry]:
        """Every object below `folder` whose name sorts after `after`; folder markers left out."""
        at = _at(folder + "/")
        for page in self._pages(at, StartAfter=at["Key"] + after):
            for item in page.get("Contents", []):
                if not item["Key"].endswith("/"):
                    yield Entry(item["Key"][len(at["Key"]) :], item["Size"])

    def folders(self, folder: str) -> list[str]:
        """The names of the folders right below `folder`."""
        at = _at(folder + "/")
        pages = self._pages(at, Delimiter="/")
        found = (item["Prefix"] for page in pages for item in page.get("CommonPrefixes", []))
        return [prefix[len(at["Key"]) : -1] for prefix in found]

    def reaches(self, source: str, target: str) -> bool:
        return True

    def admits(self, uri: str) -> None:
        """An object could be written there: an upload is begun, which takes the same right, and given up unseen."""
        upload = self.client.create_multipart_upload(**_at(uri))["UploadId"]
        self.client.abort_multipart_upload(**_at(uri), UploadId=upload)

    def copy(self, source: str, target: str, size: int) -> bool:
        """Whether `target` exists now; False: the source is gone.

        A store that can't be asked not to replaces it; so does S3 above 5 GiB, if it appears while it is copied.
        """
        try:
            if size > LARGEST_COPY:
                self.exists(target) or self.client.copy(_at(source), **_at(target))
            else:
                self._copy_if_absent(source, target)
        except ClientError as error:
            if _code(error) in ABSENT:
                return False
            if _code(error) not in EXISTS:
                raise
        return True

    def _copy_if_absent(self, source: str, target: str) -> None:
        request = {**_at(target), "CopySource": _at(source)}
        try:
            self._conditional(self.client.copy_object, **request)
        except ClientError as error:
            if not unknown_header(error):
                raise
            self.client.copy_object(**request)

    def delete(self, folder: str) -> None:
        """Removes everything below `folder`, folder markers too."""
        at = _at(folder + "/")
        for page in self._pages(at):
            self._delete(at["Bucket"], (item["Key"] for item in page.get("Contents", [])))

    def discard(self, uri: str) -> None:
        self._delete(_at(uri)["Bucket"], [_at(uri)["Key"]])

    def _pages(self, at: dict[str, str], **more) -> Iterator[dict]:
        return self.client.get_paginator("list_objects_v2").paginate(Bucket=at["Bucket"], Prefix=at["Key"], **more)

    def _delete(self, bucket: str, keys: Iterable[str]) -> None:
        objects = [{"Key": key} for key in keys]
        if not objects:
            return
        failed = self.client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True}).get("Errors")
        if failed:
            why = failed[0].get("Message") or failed[0].get("Code")
            raise OSError(f"s3://{bucket}/{failed[0]['Key']} can't be deleted: {why}")


def _at(uri: str) -> dict[str, str]:
    bucket, key = re.fullmatch(r"s3a?://([^/]+)/(.*)", uri).groups()
    return {"Bucket": bucket, "Key": key}


def _code(error: ClientError) -> str:
    return error.response["Error"]["Code"]


def denied(error: Exception) -> bool:
    """Whether trying again is in vain: the role or the user may not do that, or no folder can be there.

    (S3 has other words for a session that has expired.)
    """
    if isinstance(error, ClientError):
        return _code(error) in DENIED
    return isinstance(error, OSError) and error.errno in NO_PLACE


def unknown_header(error: Exception) -> bool:
    """Whether the store knows no If-None-Match in this request, and says so."""
    return isinstance(error, ClientError) and _code(error) in UNKNOWN_HEADER


def missing_bucket(error: Exception) -> str | None:
    """The bucket that a request went to, if S3 says that there is none."""
    if isinstance(error, ClientError) and _code(error) == "NoSuchBucket":
        return error.response["Error"].get("BucketName", "of this name")
    return None


Store = Local | S3


def store_of(uri: str) -> Store:
    return S3() if flags.bucket(uri) else Local()
