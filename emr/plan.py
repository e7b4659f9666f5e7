"""One job on one platform, from the command line: what a request is made of."""

import argparse
import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from emr import account, artefacts, releases, sizes
from emr.account import Account
from emr.artefacts import Artefacts
from emr.releases import Release
from emr.sizes import Size
from jobs import arguments, flags
from jobs.settings import Refused, Settings


class Plan(NamedTuple):
    name: str  # the same for every version of the job: AWS's lists and YARN know it by this
    settings: Settings
    arguments: Sequence[str]  # of the entry point
    label: str  # of the release
    release: Release
    size: Size
    account: Account
    files: Sequence[str] = ()
    conf: Sequence[tuple[str, str]] = ()
    asked: argparse.Namespace = argparse.Namespace()  # every flag, for those of one target alone

    @property
    def artefacts(self) -> Artefacts:
        """Where the files are: what `package` uploaded, or placeholders."""
        if found := self.account.get("artefacts"):
            return artefacts.read(found, self.release.line)
        return artefacts.placeholders(self.release.line, self.account["artefacts"].rpartition("/")[0])


def add_flags(parser: argparse.ArgumentParser) -> None:
    releases.add_flags(parser)
    sizes.add_flags(parser)
    parser.add_argument("--files", type=uris, default=(), metavar="s3://…,…", help="for every process: a key store")
    parser.add_argument("--conf", type=setting, action="append", default=[], metavar="k=v", help="of Spark; repeatable")
    one = parser.add_argument_group("of one target")
    one.add_argument("--transient", action="store_true", help="ec2-cluster: it ends with the job, after a drain")
    one.add_argument("--instance-type", metavar="TYPE", help="ec2-cluster; default: m7g.xlarge")
    one.add_argument(
        "--nodes", type=flags.count, metavar="N", help="ec2-cluster: the most; default: what the job fills"
    )
    one.add_argument("--job-template-id", type=template, metavar="ID", help="eks: a run of this template")
    one.add_argument("--schedule", metavar="rate(1 hour)|cron(…)", help="serverless-schedule; default: rate(1 hour)")
    one.add_argument("--bucket", metavar="NAME", help="bucket-lifecycle: the bucket; default: the table's")
    account.add_flags(parser)


def made(asked: argparse.Namespace, platform: str) -> Plan:
    """The plan that the flags ask for; the job's own, those after `--`, are checked first."""
    settings = arguments.parse(asked.ingest)
    if not flags.bucket(settings.table):
        raise Refused("--table", f"{settings.table} is a local folder; a cluster needs s3://bucket/prefix")
    if not artefacts.packaged(settings.transform):
        raise Refused(
            "--transform", f"{settings.transform} is in no file of transforms/, which is all that is packaged"
        )
    release = releases.named(asked.release, asked.spark_line)
    if platform and platform not in release.targets:
        raise Refused("--release", f"{asked.release} does not exist for {platform}")
    if platform != "eks" and releases.dated(asked.release):
        raise Refused("--release", f"{asked.release}: only EMR on EKS takes a date or -latest")
    return Plan(
        name=name(settings),
        settings=settings,
        arguments=on_cluster(asked.ingest, settings),
        label=asked.release,
        release=release,
        size=sizes.chosen(asked, platform or "ec2"),
        account=Account.of(asked),
        files=asked.files,
        conf=asked.conf,
        asked=asked,
    )


def name(settings: Settings) -> str:
    """The table, and its state's digest: at most 64 letters, digits, `-`, `_` and `.`, which every service takes."""
    table = re.sub(r"[^a-z0-9._-]+", "-", re.sub(r"^s3a?://", "", settings.table.lower()))
    return f"floodmark-{table[:40].strip('-')}-{hashlib.sha256(settings.state.encode()).hexdigest()[:8]}"


def on_cluster(given: Sequence[str], settings: Settings) -> list[str]:
    """The job's flags as a cluster needs them: a schema itself and not the name of a file on this machine."""
    words = list(given)
    for at, word in enumerate(words):
        if word == "--schema":
            words[at + 1] = settings.schema
        elif word.startswith("--schema="):
            words[at] = f"--schema={settings.schema}"
    return words


def template(text: str) -> str:
    if not re.fullmatch(r"[0-9a-z]{1,64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a template's id: digits and small letters")
    return text


def uris(text: str) -> tuple[str, ...]:
    found = flags.names(text)
    for uri in found:
        if not flags.bucket(uri):
            raise argparse.ArgumentTypeError(f"{uri!r} is not on S3, where the cluster could read it")
    return found


def setting(text: str) -> tuple[str, str]:
    """A setting of Spark. One that would hold a secret is refused: everyone who may list runs sees a request."""
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"spark\.\S+", key):
        raise argparse.ArgumentTypeError(f"{key!r} is not spark.NAME=VALUE")
    if flags.SECRET_OPTION.search(key) or re.search(r"(access|secret)[._-]?key|password|token$", key, re.IGNORECASE):
        raise argparse.ArgumentTypeError(
            f"{key} would show in the request; give the job's role the right, or use --secret"
        )
    return key, value
