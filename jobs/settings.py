"""The job's flags, as one frozen dataclass that refuses what would hurt later.

Standard library only, so that a laptop, a scheduler or `emr/` can check a command line without Spark.
"""

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
    checkpoint: str | None = None
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
            here, there = getattr(self, inner), getattr(self, outer)
            if here and there and flags.inside(here, there):
                raise Refused(f"--{inner}", f"{here} lies inside --{outer} {there}")
        for own in ("ledger", "staging"):
            if self.checkpoint and flags.inside(self.checkpoint, f"{self.state}/{own}"):
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
