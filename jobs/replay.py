"""`spark-submit jobs/replay.py …`: a range of topics, or a quarantine, through a transform into another table.

For a backfill after a transform was mended. The ledger of the new table makes it exactly once: a replay that was cut
short goes on where that table ends, and the job itself can go on behind it.
"""

import dataclasses
import itertools
import sys
from collections.abc import Iterable, Mapping

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs import contract, exits, flags, hadoop, offsets, source
from jobs.arguments import parsed, parser
from jobs.brokers import Brokers
from jobs.connection import connected
from jobs.ledger import Batch, Record
from jobs.offsets import Held, Ids, Positions, Ranges, Start
from jobs.progress import Progress, on_terminal
from jobs.records import Records
from jobs.rows import beyond
from jobs.session import session
from jobs.settings import Refused, Settings
from jobs.sink import Sink
from jobs.stop import Stop
from jobs.store import Store, store_of
from jobs.writer import Places, Writer

NOT_HERE = ("trigger", "min_records", "max_wait", "starting", "checkpoint", "consumer_group")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Replay(Settings):
    """The job's settings and the range: `earliest`, `latest`, milliseconds since 1970, or offsets."""

    bootstrap_servers: str = ""
    begin: str | int | Positions = "earliest"
    until: str | int | Positions = "latest"
    quarantine_of: str | None = None
    state_of: str | None = None

    def __post_init__(self):
        for field in NOT_HERE:
            if getattr(self, field) not in (None, "", "earliest"):
                raise Refused(f"--{field.replace('_', '-')}", "is not for a replay, which reads its range and ends")
        super().__post_init__()

    def _check_topics(self):
        if not self.quarantine_of:
            if not self.bootstrap_servers:
                raise Refused("--bootstrap-servers", "give it, or --quarantine-of")
            super()._check_topics()
            return
        for flag, given in {"--topics": self.topics or self.topics_pattern, "--from": self.begin != "earliest",
                            "--to": self.until != "latest"}.items():  # fmt: skip
            if given:
                raise Refused(flag, "does not go with --quarantine-of, which replays all of a quarantine")
        if flags.inside(self.table, self.quarantine_of):
            raise Refused("--table", f"{self.table} is the table whose quarantine is replayed; name another")
        object.__setattr__(self, "state_of", self.state_of or f"{self.quarantine_of}_state")


class Topics:
    """A range of Kafka's topics: what the sink asks of a plan and of brokers."""

    def __init__(self, spark: SparkSession, settings: Replay, connection: Mapping[str, str]):
        self.spark = spark
        self.settings = settings
        self.brokers = Brokers(spark, settings, connection)
        self.held = self._held()
        partitions = {topic: [*begin] for topic, begin in self.held.begin.items()}
        self.begin, self.until = (self._bound(partitions, at) for at in (settings.begin, settings.until))
        self.planned: Ranges = {}

    def _held(self) -> Held:
        """What the brokers hold of the partitions that are replayed: all, or those that the offsets name."""
        held = self.brokers.held()
        given = {"--from": self.settings.begin, "--to": self.settings.until}
        given = {flag: at for flag, at in given.items() if isinstance(at, dict)}
        for flag, at in given.items():
            for topic, p, offset in ((t, p, offset) for t, found in at.items() for p, offset in found.items()):
                if p not in held.begin.get(topic, {}):
                    raise Refused(flag, f"{topic}-{p} is none of the partitions that --topics names")
                if offset > held.end[topic][p]:
                    raise Refused(flag, f"{topic}-{p} ends at offset {held.end[topic][p]}, before {offset}")
        begin = {
            topic: {p: offset for p, offset in found.items() if all(p in at.get(topic, {}) for at in given.values())}
            for topic, found in held.begin.items()
        }
        return dataclasses.replace(held, begin={topic: found for topic, found in begin.items() if found})

    def _bound(self, partitions: dict[str, list[int]], at: str | int | Positions) -> Positions:
        if not isinstance(at, dict):
            return self.brokers.offsets(partitions, at)
        return {topic: {p: at[topic][p] for p in found} for topic, found in partitions.items()}

    def resumed(self, known: Positions | None, ids: Ids) -> Start:
        start = offsets.resumed(within(self.begin, known), ids, self.held)
        if self.settings.on_data_loss == "fail":
            start.refuse()
        return start

    def ranges(self, number: int) -> Ranges:
        return self.planned

    def size(self, ranges: Ranges) -> int:
        return offsets.size(ranges)

    def ids(self, topics: Iterable[str]) -> Ids:
        return self.brokers.ids(topics)

    def read(self, ranges: Ranges) -> DataFrame:
        return source.part(self.spark, self.settings, self.brokers.connection, ranges)


def within(begin: Positions, known: Positions | None) -> Positions:
    """Where the replay goes on: at its own table's positions, and at the range's begin where the table has none."""
    return {topic: {**found, **(known or {}).get(topic, {})} for topic, found in begin.items()}


class Quarantine:
    """A table's quarantine, as far as that table's ledger says that it is published.

    Its own rows say how far it reaches: the ledger forgets a topic that was deleted, and of one that was created again
    it has the new offsets only.
    """

    def __init__(self, spark: SparkSession, settings: Replay):
        store = store_of(settings.state_of)
        last = Records(store, settings.state_of).last()
        if last is None:
            raise Refused("--quarantine-of, --state-of", f"there is no ledger in {settings.state_of}")
        self.spark = spark
        self.known_ids = last.ids
        self.begin: Positions = {}
        self.until: Positions = {}
        self.planned: Ranges = {}
        if any(store.files(last.quarantine)):
            # Listed here, once. The job may go on meanwhile: what it publishes from now on is left for another replay.
            name = F.col("_metadata.file_name")
            later = name.rlike("^[0-9]{12}-") & (name >= f"{published(store, last) + 1:012}")
            self.rows = spark.read.parquet(hadoop.uri(last.quarantine)).where(~later)
            ends = self.rows.groupBy("_topic", "_partition").agg(F.min("_offset"), F.max("_offset"))
            for topic, p, first, highest in ends.collect():
                self.begin.setdefault(topic, {})[p] = first
                self.until.setdefault(topic, {})[p] = highest + 1

    def resumed(self, known: Positions | None, ids: Ids) -> Start:
        if again := [topic for topic in offsets.changed(ids, self.known_ids) if topic in (known or {})]:
            raise Refused("--table", f"{', '.join(again)}: created again since the last replay into this table, which "
                          "would pass over the offsets that it knows; replay into another table")  # fmt: skip
        return Start(positions=within(self.begin, known), ids=self.known_ids)

    def ranges(self, number: int) -> Ranges:
        return self.planned

    def size(self, ranges: Ranges) -> int:
        return self.read(ranges).count()

    def ids(self, topics: Iterable[str]) -> Ids:
        return {topic: self.known_ids.get(topic, "") for topic in topics}

    def read(self, ranges: Ranges) -> DataFrame:
        """The quarantined records of `ranges`, with Kafka's columns."""
        start, end = offsets.edges(ranges)
        columns = ("key", "value", "topic", "partition", "offset", "timestamp")
        return self.rows.where(beyond(start) & ~beyond(end)).select(
            *(F.col(f"_{column}").alias(column) for column in columns),
            F.lit(0).alias("timestampType"),
            F.col("_headers").alias("headers"),
        )  # fmt: skip


def published(store: Store, last: Record) -> int:
    """The ledger's last record whose rejected rows are all there to be read: the last batch may be on its way."""
    targets = [f"{last.quarantine}/{file.final}" for file in last.quarantine_files] if isinstance(last, Batch) else []
    return last.seq if all(store.exists(target) for target in targets) else last.seq - 1


def main(argv: list[str]) -> int:
    return exits.code("replay.py", lambda: replay(parse(argv)))


def parse(argv: list[str]) -> Replay:
    flags_ = parser("replay.py", __doc__.partition("\n")[0], servers=False)
    add = flags_.add_argument
    add("--from", type=flags.bound, dest="begin", metavar="TIME|OFFSETS", help="default: earliest")
    add(
        "--to",
        type=flags.bound,
        dest="until",
        metavar="TIME|OFFSETS",
        help="the first that is left out; default: latest",
    )
    add("--quarantine-of", type=flags.place, metavar="TABLE", help="instead of topics: what this table's job rejected")
    add("--state-of", type=flags.place, metavar="URI", help="that table's state; default: <TABLE>_state")
    return parsed(flags_, Replay, argv)


def replay(settings: Replay) -> int:
    function, fingerprint = contract.loaded(settings)
    connection = {} if settings.quarantine_of else connected(settings)
    spark = session(f"floodmark replay {settings.table}")
    try:
        transform = contract.completed(spark, function, settings)
        store = store_of(settings.state)
        places = Places(settings.table, settings.quarantine, settings.state)
        writer = Writer(store, places, spark.sparkContext.applicationId)
        writer.prove()
        records = Quarantine(spark, settings) if settings.quarantine_of else Topics(spark, settings, connection)
        start = writer.claim(records.resumed)
        progress = Progress(sink := Sink(writer, fingerprint, settings, records, records), on_terminal(spark))
        stop = Stop(spark, store, settings.state)
        progress.say("started", writer=writer.id, seq=writer.seq, to=records.until, **settings.printable())
        progress.gap(start)
        for number in itertools.count():
            records.planned = offsets.cut(offsets.between(writer.positions, records.until), settings.max_records)
            if stop.asked() or not records.planned:
                break
            sink(records.read(records.planned).transform(transform), number)
            progress.done(number)
        writer.begin(Start())
        stop.obeyed()
        progress.say("ended", reason=stop.reason or "all replayed", seq=writer.seq)
        return 0
    finally:
        spark.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
