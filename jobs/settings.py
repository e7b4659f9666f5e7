"""The job's flags, as one frozen dataclass that refuses what would hurt later.

Standard library only, so that a laptop, a scheduler or `emr/` can check a command line without Spark.
"""

import argparse
import dataclasses
import re

from jobs import auth, flags

POLL_MS = 1_000  # how often a query that waits for --min-records asks the brokers
JSON_RECORDS = "transforms.json_records:json_records"


class Refused(Exception):
    """What the user gave can't be used: the flag, and what to write instead."""

    def __init__(self, flag: str, why: str):
        super().__init__(f"{flag}: {why}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """One run of the job. Durations are milliseconds, sizes bytes, places URIs without a trailing slash."""

    bootstrap_servers: str
    transform: str
    table: str
    topics: tuple[str, ...] = ()
    topics_pattern: str | None = None
    quarantine: str = ""
    state: str = ""
    checkpoint: str = ""
    partition_by: tuple[str, ...] = ("dt",)
    trigger: int | str | None = None
    min_records: int | None = None
    max_wait: int | None = None
    max_records: int | None = None
    starting: str | int = "earliest"
    schema: str | None = None
    event_time: str | None = None
    target_file_size: int = 128 * 2**20
    isolation: str = "read_committed"
    on_data_loss: str = "fail"
    consumer_group: str | None = None
    kafka_options: tuple[tuple[str, str], ...] = ()
    auth: str = "none"
    network: str | None = None
    role_arn: str | None = None
    role_external_id: str | None = None
    sts_region: str | None = None
    group_prefix: str = "floodmark"
    secret: str | None = None
    keystore: str | None = None
    truststore: str | None = None
    token_endpoint: str | None = None

    def __post_init__(self):
        self._check_topics()
        self._check_auth()
        self._default_places()
        self._check_places()
        self._check_trigger()
        self._check_columns()

    def _check_topics(self):
        if bool(self.topics) == bool(self.topics_pattern):
            raise Refused("--topics", "give either --topics or --topics-pattern")
        for topic in self.topics:
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic) or topic in (".", ".."):
                raise Refused("--topics", f"{topic!r} is not a topic name")

    def _check_auth(self):
        for flag, why in auth.misfits(self):
            raise Refused(flag, why)
        cluster = flags.CLUSTER.fullmatch(self.bootstrap_servers)
        if cluster and self.role_arn and not self.sts_region:
            # STS's global endpoint, the library's default, is out of reach from a private subnet.
            object.__setattr__(self, "sts_region", cluster["region"])

    def _default_places(self):
        for name, default in (
            ("quarantine", f"{self.table}_quarantine"),
            ("state", f"{self.table}_state"),
            ("checkpoint", f"{self.state or self.table + '_state'}/checkpoint"),
        ):
            if not getattr(self, name):
                object.__setattr__(self, name, default)

    def _check_places(self):
        kinds = {name: flags.bucket(getattr(self, name)) is not None for name in ("table", "quarantine", "state")}
        for name in ("quarantine", "state"):
            if kinds[name] != kinds["table"]:
                raise Refused(f"--{name}", "must be on the same kind of store as --table (all S3 or all local)")
        apart = [("quarantine", "table"), ("state", "table"), ("state", "quarantine")]
        apart += [("checkpoint", "table"), ("checkpoint", "quarantine")]
        for inner, outer in [*apart, *((b, a) for a, b in apart), ("state", "checkpoint")]:
            if flags.inside(getattr(self, inner), getattr(self, outer)):
                raise Refused(f"--{inner}", f"{getattr(self, inner)} lies inside --{outer} {getattr(self, outer)}")
        for own in ("ledger", "staging"):
            if flags.inside(self.checkpoint, f"{self.state}/{own}"):
                raise Refused("--checkpoint", f"{self.checkpoint} is the job's own folder; choose another")

    def _check_trigger(self):
        if self.min_records is not None:
            if self.trigger is not None:
                raise Refused(
                    "--min-records",
                    "does not go with --trigger: with it a batch starts at N records or after --max-wait",
                )
            if self.max_wait is None:
                raise Refused("--min-records", "needs --max-wait, or a quiet topic would never be written")
            if self.max_records is not None and self.max_records < self.min_records:
                raise Refused("--max-records", f"{self.max_records} is less than --min-records {self.min_records}")
            object.__setattr__(self, "trigger", POLL_MS)
        elif self.max_wait is not None:
            raise Refused("--max-wait", "needs --min-records; for a fixed interval use --trigger")
        elif self.trigger is None:
            object.__setattr__(self, "trigger", 60_000)

    def _check_columns(self):
        for column in self.partition_by:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", column):
                raise Refused("--partition-by", f"{column!r} can't be a folder's name: use letters, digits and _")
        if len({column.lower() for column in self.partition_by}) != len(self.partition_by):
            raise Refused("--partition-by", f"{','.join(self.partition_by)} names a column twice")
        needs_schema = self.transform == JSON_RECORDS
        if needs_schema and not self.schema:
            raise Refused("--schema", f"{self.transform} needs it: 'id BIGINT, at TIMESTAMP' or a file that holds it")
        for flag, value in (("--schema", self.schema), ("--event-time", self.event_time)):
            if value and not needs_schema:
                raise Refused(flag, f"only for {JSON_RECORDS}; {self.transform} declares its own")

    def printable(self) -> dict:
        """The settings as they may be logged: a Kafka option that may hold a secret shows as `***`."""
        shown = dataclasses.asdict(self)
        shown["kafka_options"] = {
            name: value if name.removeprefix("kafka.") in flags.PRINTABLE_OPTIONS else "***"
            for name, value in self.kafka_options
        }
        return {name: value for name, value in shown.items() if value not in (None, (), {})}


def parse(argv: list[str]) -> Settings:
    """The settings that `argv` asks for; raises `Refused` with one line that names the flag."""
    parser = Parser(
        prog="ingest.py",
        allow_abbrev=False,
        argument_default=argparse.SUPPRESS,
        description="Kafka topics to Parquet, exactly once.",
    )
    add = parser.add_argument
    add("--bootstrap-servers", required=True, type=flags.servers, metavar="HOST:PORT,…|ARN")
    add("--topics", type=flags.names, metavar="a,b")
    add("--topics-pattern", type=flags.pattern, metavar="REGEX", help="every topic whose whole name matches")
    add("--transform", required=True, type=flags.function, metavar="PACKAGE.MODULE:FUNCTION")
    add("--table", required=True, type=flags.place, metavar="URI", help="s3://bucket/prefix or a folder")
    add("--quarantine", type=flags.place, metavar="URI", help="default: <table>_quarantine")
    add("--state", type=flags.place, metavar="URI", help="default: <table>_state")
    add("--checkpoint", type=flags.anywhere, metavar="URI", help="default: <state>/checkpoint")
    add("--partition-by", type=flags.names, metavar="dt,hr")
    add("--trigger", type=flags.trigger, metavar="60s|available-now", help="default: 60s")
    add("--min-records", type=flags.count, metavar="N", help="a batch starts at N records or after --max-wait")
    add("--max-wait", type=flags.duration, metavar="60s")
    add("--max-records", type=flags.count, metavar="N", help="the largest batch")
    add("--starting", type=flags.starting, metavar="earliest|latest|2026-11-01T00:00:00Z")
    add("--schema", type=flags.schema, metavar="DDL|FILE", help=f"for {JSON_RECORDS}")
    add("--event-time", metavar="COLUMN", help=f"for {JSON_RECORDS}")
    add("--target-file-size", type=flags.size, metavar="128MiB")
    add("--isolation", choices=("read_committed", "read_uncommitted"), help="default: read_committed")
    add("--on-data-loss", choices=("fail", "record"), help="what expired unread ends the job, or is noted and skipped")
    add("--consumer-group", type=flags.group, metavar="NAME", help="is told the offsets, so that its lag is the job's")
    add("--kafka-option", type=flags.kafka_option, action="append", dest="kafka_options", metavar="k=v")
    add("--auth", choices=auth.AUTH, help="how to log in to Kafka; default: none")
    add("--network", choices=auth.NETWORKS, help="which of an MSK cluster's addresses; default: private")
    add("--role-arn", type=flags.role, metavar="ARN", help="assumed to reach a cluster in another account")
    add("--role-external-id", type=flags.external_id, metavar="ID")
    add("--sts-region", metavar="REGION", help="where the role is assumed; default: the cluster ARN's region")
    add("--group-prefix", type=flags.group_prefix, metavar="floodmark", help="how the names of consumer groups begin")
    add("--secret", metavar="ARN|NAME", help="in Secrets Manager; else the environment's FLOODMARK_…")
    add("--keystore", type=flags.key_store, metavar="PATH", help="the client's certificate: .p12, .jks or .pem")
    add("--truststore", type=flags.key_store, metavar="PATH", help="the brokers' authority, if Java doesn't know it")
    add("--token-endpoint", type=flags.endpoint, metavar="URL", help="OAuth tokens from here instead of from IAM")
    given = vars(parser.parse_args(argv))
    return Settings(**given | {"kafka_options": tuple(given.get("kafka_options", ()))})


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line, without the usage."""

    def error(self, message: str):
        flag, _, why = message.removeprefix("argument ").partition(": ")
        raise Refused(flag, why) if message.startswith("argument ") else Refused("flags", message)
