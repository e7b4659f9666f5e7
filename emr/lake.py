"""What the job does on S3: lists, reads and writes in its places, and deletes only what is its scratch.

`tests/test_rights.py` runs the job under these statements, with nothing refused; with Hadoop's committer, not EMR's.
"""

import re
from collections.abc import Iterable

from jobs import flags
from jobs.settings import Settings


def rights(settings: Settings, partition: str) -> list[dict]:
    """The statements for the table, the quarantine, the state and a checkpoint, as far as they are on S3."""
    roots = [settings.table, settings.quarantine, settings.state]
    scratch = [f"{settings.state}/staging/*", f"{settings.state}/stop"]
    above = []
    if settings.checkpoint and flags.bucket(settings.checkpoint):
        scratch.append(f"{settings.checkpoint}/*")
        if not flags.inside(settings.checkpoint, settings.state):
            # Where S3A makes a folder it asks for each one above that is still empty. (The state has its ledger.)
            above = folders_above(settings.checkpoint)
            roots.append(settings.checkpoint)
    bare = [*roots, *above]  # S3A asks for a folder by its bare name first
    below = [f"{root}/*" for root in roots]

    def arns(uris: Iterable[str]) -> list[str]:
        return [f"arn:{partition}:s3:::{path(uri)}" for uri in uris if flags.bucket(uri)]

    # Hadoop's documentation asks this of S3A's committers, EMR's default among them; IAM knows no prefix for it.
    pending = arns([f"s3://{flags.bucket(settings.state)}"])
    return [
        allow("ListPendingUploads", ["s3:ListBucketMultipartUploads"], pending),
        *lists([*bare, *below, *(f"{folder}/" for folder in above)], partition),
        allow("ReadAndWrite", ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"], arns(below)),
        allow("AskForFolders", ["s3:GetObject"], arns(bare)),
        allow("DeleteScratch", ["s3:DeleteObject"], arns(scratch)),
    ]


def around(code: str, logs: str, partition: str) -> list[dict]:
    """What the platform does with the job's role, where the places are said: it reads the code and writes logs."""
    found = []
    if code:
        found.append(allow("ReadTheCode", ["s3:GetObject"], f"arn:{partition}:s3:::{path(code)}/*"))
    if logs:
        found += lists([f"{logs}/*"], partition, "ListLogs")
        found.append(allow("WriteLogs", ["s3:PutObject"], f"arn:{partition}:s3:::{path(logs)}/*"))
    return found


def lists(prefixes: list[str], partition: str, sid: str = "List") -> list[dict]:
    """A statement for each bucket: who may not list a key is told 403 when it is absent, and the job needs the 404."""
    buckets: dict[str, list[str]] = {}
    for bucket, _, key in (path(prefix).partition("/") for prefix in prefixes):
        buckets.setdefault(bucket, []).append(key)
    return [
        allow(
            f"{sid}{number}", ["s3:ListBucket"], f"arn:{partition}:s3:::{bucket}", {"StringLike": {"s3:prefix": keys}}
        )
        for number, (bucket, keys) in enumerate(buckets.items(), start=1)
    ]


def folders_above(uri: str) -> list[str]:
    """Every folder above `uri`, without the bucket."""
    parts = uri.split("/")
    return ["/".join(parts[:length]) for length in range(len(parts) - 1, 3, -1)]


def allow(sid: str, actions: list[str], resource, condition: dict | None = None, principal: str = "") -> dict:
    """A statement. `resource` is one ARN, several, or none as in a trust policy; an identity's has no `principal`."""
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions}
    if principal:
        statement["Principal"] = {"AWS": principal}
    if resource:
        statement["Resource"] = resource
    if condition:
        statement["Condition"] = condition
    return statement


def path(uri: str) -> str:
    """`bucket/key` of `s3://bucket/key`."""
    return re.sub("^s3a?://", "", uri)
