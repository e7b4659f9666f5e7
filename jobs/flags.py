"""What a flag's text may be: each function here gives the value, or complains in argparse's way.

Standard library only.
"""

import json
import re
import time
from argparse import ArgumentTypeError
from datetime import datetime
from pathlib import Path

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000}
SIZES = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
AVAILABLE_NOW = "available-now"

# Options of Spark's Kafka reader that may be set; every other name is a property of the Kafka client.
READER_OPTIONS = {
    "fetchOffset.numRetries",
    "fetchOffset.retryIntervalMs",
    "kafkaConsumer.pollTimeoutMs",
    "maxRecordsPerPartition",
    "minPartitions",
}
# What the job or Spark decides: setting one of these would break a promise or be refused by Spark.
OWNED_OPTIONS = {
    "assign": "--topics",
    "auto.offset.reset": "--starting",
    "bootstrap.servers": "--bootstrap-servers",
    "enable.auto.commit": None,
    "endingOffsets": None,
    "failOnDataLoss": "--on-data-loss",
    "group.id": None,
    "groupIdPrefix": "--group-prefix",
    "includeHeaders": None,
    "interceptor.classes": None,
    "isolation.level": "--isolation",
    "key.deserializer": None,
    "maxOffsetsPerTrigger": "--max-records",
    "maxTriggerDelay": "--max-wait",
    "minOffsetsPerTrigger": "--min-records",
    "startingOffsets": "--starting",
    "startingOffsetsByTimestamp": "--starting",
    "startingTimestamp": "--starting",
    "subscribe": "--topics",
    "subscribePattern": "--topics-pattern",
    "value.deserializer": None,
}
# Client properties that carry a secret: a command line is seen by everyone on the machine.
SECRET_OPTION = re.compile(
    r"jaas\.config$|password$|passphrase$|secret$|ssl\.keystore\.key$|private\.key$", re.IGNORECASE
)
# Kafka options whose values are no secret and may be printed.
PRINTABLE_OPTIONS = READER_OPTIONS | {
    "client.dns.lookup",
    "client.id",
    "fetch.max.bytes",
    "fetch.max.wait.ms",
    "fetch.min.bytes",
    "max.partition.fetch.bytes",
    "max.poll.records",
    "receive.buffer.bytes",
    "reconnect.backoff.max.ms",
    "reconnect.backoff.ms",
    "request.timeout.ms",
    "sasl.mechanism",
    "security.protocol",
    "ssl.endpoint.identification.algorithm",
}
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
CLUSTER = re.compile(r"arn:aws[a-z-]*:kafka:(?P<region>[a-z0-9-]+):\d{12}:cluster/[A-Za-z0-9_-]+/[A-Za-z0-9-]+")
REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+")
# The file systems that Spark has on EMR, for a place that only Spark writes to.
SCHEMES = ("s3", "s3a", "hdfs")
STORES = {".p12": "PKCS12", ".pfx": "PKCS12", ".jks": "JKS", ".pem": "PEM"}


def servers(text: str) -> str:
    """HOST:PORT,…, or the ARN of an MSK cluster."""
    if text.startswith("arn:"):
        if not CLUSTER.fullmatch(text):
            raise ArgumentTypeError(f"{text!r} is not an MSK cluster: arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID")
        return text
    for server in text.split(","):
        host, _, port = server.strip().rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 65536:
            raise ArgumentTypeError(f"{server!r} is not HOST:PORT")
    return ",".join(server.strip() for server in text.split(","))


def names(text: str) -> tuple[str, ...]:
    found = tuple(name.strip() for name in text.split(","))
    if not all(found):
        raise ArgumentTypeError(f"{text!r} has an empty name")
    if len(set(found)) != len(found):
        raise ArgumentTypeError(f"{text!r} has a name twice")
    return found


def group(text: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,249}", text):
        raise ArgumentTypeError(f"{text!r} is not a group's name: letters, digits and signs, no blanks")
    return text


def pattern(text: str) -> str:
    """A regular expression of Java's, which only Java can judge."""
    if not text.strip():
        raise ArgumentTypeError("is empty")
    return text


def function(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", text):
        raise ArgumentTypeError(f"{text!r} is not package.module:function")
    return text


def place(text: str) -> str:
    """A table's place: `s3://bucket/prefix` or an absolute local path."""
    if "://" in text and not re.match(r"s3a?://|file:", text):
        raise ArgumentTypeError(f"{text!r} is neither s3://bucket/prefix nor a local folder")
    text = anywhere(text)
    if bucket(text) is not None and not BUCKET.fullmatch(bucket(text)):
        raise ArgumentTypeError(f"{text!r} has no bucket's name: 3 to 63 small letters, digits, dots and hyphens")
    if bucket(text) is not None and not re.fullmatch(r"s3a?://[^/]+/.+", text):
        raise ArgumentTypeError(f"{text!r} needs a prefix below the bucket: s3://bucket/prefix")
    if text == "/":
        raise ArgumentTypeError("'/' is no folder of a table's own")
    if re.search(r"[\x00-\x1f?#*{}\[\]]|//", re.sub(r"^s3a?://", "", text)):
        raise ArgumentTypeError(f"{text!r} has an empty folder or one of ?#*{{}}[], which Spark takes for a pattern")
    return text


def anywhere(text: str) -> str:
    """A URI without a trailing slash, where Spark can write; a local one as an absolute path."""
    if not text.strip():
        raise ArgumentTypeError("is empty")
    if re.match(r"file:/", text):
        text = re.sub(r"^file:/+", "/", text)
    if re.match(r"s3[an]?:(?!//[^/])", text):
        raise ArgumentTypeError(f"{text!r} names no bucket: s3://bucket/prefix")
    if "://" in text:
        if text.partition("://")[0] not in SCHEMES:
            raise ArgumentTypeError(f"{text!r} is neither {', '.join(f'{scheme}://…' for scheme in SCHEMES)} nor local")
        return text.rstrip("/")
    try:
        return str(Path(text).expanduser().absolute().resolve())
    except (RuntimeError, ValueError) as wrong:  # ~nobody, or a byte that no path has
        raise ArgumentTypeError(f"{text!r} is not a path: {wrong}") from None


def duration(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})(ms|s|min|m|h)", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is not a duration: write 500ms, 60s, 5m or 1h")
    return int(found[1]) * UNITS[found[2]]


def trigger(text: str) -> int | str:
    return text if text == AVAILABLE_NOW else duration(text)


def count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text) or int(text) == 0:
        raise ArgumentTypeError(f"{text!r} is not a number above 0, of 18 digits at most")
    return int(text)


def size(text: str) -> int:
    found = re.fullmatch(r"([0-9]{1,9})(KiB|MiB|GiB)", text)
    if not found or int(found[1]) == 0:
        raise ArgumentTypeError(f"{text!r} is not a size: write 64MiB, 128MiB or 1GiB")
    return int(found[1]) * SIZES[found[2]]


def starting(text: str) -> str | int:
    """`earliest`, `latest`, or a time as milliseconds since 1970."""
    if text in ("earliest", "latest"):
        return text
    try:
        at = datetime.fromisoformat(re.sub(r"Z$", "+00:00", text))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or at.timestamp() < 0:
        raise ArgumentTypeError(f"{text!r} is not earliest, latest or a time with its zone (2026-11-01T00:00:00Z)")
    if at.timestamp() > time.time():
        raise ArgumentTypeError(f"{text!r} is in the future")
    return int(at.timestamp() * 1000)


def bound(text: str) -> str | int | dict[str, dict[int, int]]:
    """What `starting` takes, or offsets as Spark writes them: `{"topic": {"0": 120}}`."""
    if not text.lstrip().startswith("{"):
        return starting(text)
    try:
        offsets = {topic: {int(p): int(at) for p, at in found.items()} for topic, found in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        offsets = {}
    if not offsets or any(number < 0 for found in offsets.values() for item in found.items() for number in item):
        raise ArgumentTypeError(f"""{text!r} are not offsets, like {{"topic": {{"0": 120, "1": 98}}}}""")
    return offsets


def schema(text: str) -> str:
    """The DDL itself; a name without blanks is taken for a file that holds it."""
    if re.search(r"\s", text.strip()):
        return text.strip()
    try:
        return Path(text).expanduser().read_text(encoding="utf-8").strip()
    except OSError as wrong:
        raise ArgumentTypeError(
            f"{text!r} is neither a schema ('id BIGINT, at TIMESTAMP') nor a file: {wrong.strerror}"
        ) from None


def role(text: str) -> str:
    if not ROLE.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is not a role: arn:aws:iam::ACCOUNT:role/NAME")
    return text


def external_id(text: str) -> str:
    if not re.fullmatch(r"[\w+=,.@:/-]{2,1224}", text):
        raise ArgumentTypeError(f"{text!r} is no external id: 2 or more letters, digits and +=,.@:/-")
    return text


def region(text: str) -> str:
    if not REGION.fullmatch(text):
        raise ArgumentTypeError(f"{text!r} is not a region, like eu-west-1")
    return text


def secret(text: str) -> str:
    if not re.fullmatch(r"[\w/+=.@:-]{1,2048}", text, re.ASCII):
        raise ArgumentTypeError(f"{text!r} is neither a secret's name nor its ARN: letters, digits and /_+=.@-")
    return text


def group_prefix(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,128}", text):
        raise ArgumentTypeError(f"{text!r} can't begin a group's name: use letters, digits, '.', '_' and '-'")
    return text


def key_store(text: str) -> str:
    """The path of a key or trust store, whose kind its ending tells."""
    if Path(text).suffix.lower() not in STORES:
        raise ArgumentTypeError(f"{text!r} ends in none of {', '.join(STORES)}")
    return text


def endpoint(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s@]+", text):
        raise ArgumentTypeError(f"{text!r} is not https://HOST/PATH")
    return text


def kafka_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    bare = name.strip().removeprefix("kafka.")
    if not equals or not bare:
        raise ArgumentTypeError(f"{name!r} is not NAME=VALUE")
    if bare in OWNED_OPTIONS:
        instead = f"use {OWNED_OPTIONS[bare]}" if OWNED_OPTIONS[bare] else "the job sets it itself"
        raise ArgumentTypeError(f"{bare} can't be set: {instead}")
    if SECRET_OPTION.search(bare):
        raise ArgumentTypeError(f"{bare} would show in the process list; put it into --secret or {variable(bare)}")
    return (bare if bare in READER_OPTIONS else f"kafka.{bare}"), value


def variable(name: str) -> str:
    """The environment variable that a credential or a secret property may come from."""
    return f"FLOODMARK_{name.replace('.', '_').upper()}"


def bucket(uri: str) -> str | None:
    """The bucket of an S3 URI; none for anything else."""
    found = re.match(r"s3a?://([^/]+)", uri)
    return found[1] if found else None


def inside(inner: str, outer: str) -> bool:
    """Whether `inner` is `outer` or lies below it; `s3://` and `s3a://` are one place."""
    inner, outer = (re.sub(r"^s3a://", "s3://", uri) + "/" for uri in (inner, outer))
    return inner.startswith(outer)
