"""Make the files that a cluster needs (dist/VERSION), and upload those that are missing on S3."""

import argparse
import re
import sys
from pathlib import Path

from emr import artefacts, aws, jars, releases
from jobs import flags


def add_flags(parser: argparse.ArgumentParser) -> None:
    releases.add_flags(parser)
    parser.add_argument("--to", type=bucket, metavar="s3://BUCKET/PREFIX", help="where the files are uploaded to")
    parser.add_argument("--dist", default="dist", metavar="FOLDER", help="default: dist")
    parser.add_argument("--dry-run", action="store_true", help="upload nothing, say what would be")


def bucket(text: str) -> str:
    text = text.rstrip("/")
    if not re.fullmatch(rf"s3a?://{flags.BUCKET.pattern}(/\S*)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not s3://BUCKET/PREFIX")
    return text.replace("s3a://", "s3://", 1)


def run(asked: argparse.Namespace) -> int:
    """Standard output has one line: the list of the files, which `--artefacts` of the other verbs takes."""
    release = releases.named(asked.release, asked.spark_line)
    folder = Path(asked.dist) / artefacts.version()
    jars.fetch([release.jars])
    digests = artefacts.build(folder, release.line)
    if asked.to:
        objects = aws.Objects()
        missing = [name for name in digests if objects.absent(artefacts.uri(asked.to, name, digests[name]))]
        for name in missing:
            uri = artefacts.uri(asked.to, name, digests[name])
            say(f"{'would upload' if asked.dry_run else 'uploading'} {uri}")
            if not asked.dry_run:
                objects.upload(folder / name, uri)
        say(f"{len(digests) - len(missing)} of {len(digests)} files were there already")
    found = artefacts.listed(folder, release.line, digests, None if asked.dry_run else asked.to)
    if asked.to and not asked.dry_run:
        objects.upload(found, f"{asked.to}/{found.name}")
    print(found)
    return 0


def say(text: str) -> None:
    print(f"# {text}", file=sys.stderr)
