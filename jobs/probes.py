"""What the job must be able to do in its places, tried in a way that no reader and no running job can see."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from jobs import flags, hadoop
from jobs.refusals import causes
from jobs.settings import Refused
from jobs.store import FAULTS, denied, missing_bucket, store_of
from jobs.writer import Writer

# The right that IAM asks for, where the request has another name.
RIGHTS = {
    "ListObjectsV2": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "CopyObject": "s3:GetObject and s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
}
ROLE = "`python -m emr policy job-role` prints all that the job needs"


def state(writer: Writer) -> str:
    """In staging, files can be created, once, and listed, read, copied and deleted."""
    store, staging = writer.store, f"{writer.places.state}/staging"
    with told("--state", staging):
        store.folders(staging)  # first, for what can't be listed can't be taken away again
        writer.create_once()
        try:
            store.create(f"{writer.probe}/object", b"object")
            store.copy(f"{writer.probe}/object", f"{writer.probe}/copy", 6)
            if [entry.name for entry in store.files(writer.probe)] != ["copy", "object"]:
                raise OSError("what was copied is not listed")
        finally:
            store.delete(writer.probe)
    return f"{staging}: create if absent, list, read, copy, delete"


def place(writer: Writer, flag: str, uri: str, name: str) -> str:
    """Below `uri` the job may list, read, and write a file like `name`; none is written."""
    with told(flag, uri):
        next(iter(writer.store.files(uri)), None)
        writer.store.exists(f"{uri}/{name}")
        writer.store.admits(f"{uri}/{name}")
    return f"{uri}: list, read, write"


def publishes(writer: Writer) -> str:
    """What is staged can appear in table and quarantine in one step."""
    with told("--table", writer.places.table):
        writer.reach()
    return "files can appear in table and quarantine in one step"


def spark_writes(spark: SparkSession, writer: Writer, checkpoint: str | None) -> str:
    """Spark's own file system writes, moves, reads and deletes where the job has it do so."""
    places = {"--state": f"{writer.places.state}/staging"} | ({"--checkpoint": checkpoint} if checkpoint else {})
    for flag, folder in places.items():
        with told(flag, folder), scratch(spark, f"{folder}/{writer.probe.rpartition('/')[2]}") as probe:
            hadoop.prove(spark, probe)
    return f"Spark writes, moves, reads and deletes in {' and in '.join(places.values())}"


@contextmanager
def scratch(spark: SparkSession, folder: str) -> Iterator[str]:
    """A folder for Spark to try things in, gone afterwards: on S3 by our own verb, for S3A would leave a marker."""
    try:
        yield hadoop.uri(folder)
    finally:
        if flags.bucket(folder):
            store_of(folder).delete(folder)
        else:
            hadoop.remove(spark, hadoop.uri(folder))


@contextmanager
def told(flag: str, place: str) -> Iterator[None]:
    """What a store or Hadoop complains of becomes a line that names the flag, the place, and what to mend."""
    try:
        yield
    except FAULTS as error:
        raise Refused(flag, f"{place}: {mend(error, place)}") from None
    except Py4JJavaError as error:
        raise Refused(flag, f"{place}: {mend_hadoop(error)}") from None


def mend(error: Exception, place: str) -> str:
    line = " ".join(str(error).split())
    if isinstance(error, ClientError):
        if denied(error):
            right = RIGHTS.get(error.operation_name, f"s3:{error.operation_name}")
            return f"the job's role needs {right} there; {ROLE} ({line})"
        return f"there is no such bucket ({line})" if missing_bucket(error) else line
    if flags.bucket(place) and "can't be deleted" in line:
        return f"the job's role needs s3:DeleteObject there; {ROLE} ({line}; what was tried is left)"
    return line


def mend_hadoop(error: Py4JJavaError) -> str:
    said = [f"{kind}: {message.partition(chr(10))[0]}" for kind, message in causes(error.java_exception)]
    if any("S3AFileSystem not found" in line or "No FileSystem for scheme" in line for line in said):
        return f"Spark has no jars for it: add `python -m emr.jars path s3-…` to --jars ({said[-1]})"
    if any("AccessDenied" in line or "403" in line for line in said):
        return f"Spark may not do that, though boto3 could; the same role must reach S3A; {ROLE} ({said[-1]})"
    return said[-1]
