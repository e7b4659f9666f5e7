"""What has to be true of Kafka and of the ledger for the job to run: each function here tries one thing.

It gives a few words on what it found, or raises with what to mend; what later ones need stays in `Known`.
"""

import dataclasses

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs import contract, exits, network, refusals, source
from jobs.brokers import Brokers
from jobs.connection import connected
from jobs.contract import Transform
from jobs.ledger import Record, name
from jobs.offsets import Held
from jobs.probes import told
from jobs.settings import Refused, Settings
from jobs.writer import Writer
from transforms.envelope import REJECT

SHOWN = 10  # topics in one line
LOOKED_AT = 10  # offsets at a partition's end among which a record is looked for: some hold none
POLL = ("kafkaConsumer.pollTimeoutMs", "30000")


class Failed(Exception):
    """What to mend, in one line."""


@dataclasses.dataclass
class Known:
    """What is known so far. `passed` are the names of the checks on whose outcome others may build."""

    settings: Settings
    spark: SparkSession
    writer: Writer
    passed: set[str] = dataclasses.field(default_factory=set)
    transform: Transform | None = None
    connection: dict[str, str] = dataclasses.field(default_factory=dict)
    addresses: list[str] = dataclasses.field(default_factory=list)
    brokers: Brokers | None = None
    held: Held | None = None
    last: Record | None = None
    samples: dict[str, tuple[int, int]] = dataclasses.field(default_factory=dict)  # topic → partition, offset


def loads_transform(known: Known) -> str:
    settings = known.settings
    function, _ = contract.loaded(settings)
    known.transform = contract.completed(known.spark, function, settings)
    return f"{settings.transform}, partitioned by {', '.join(settings.partition_by)}"


def finds_brokers(known: Known) -> str:
    """The addresses, the credentials and the stores are there."""
    known.connection = connected(known.settings)
    known.addresses = known.connection["bootstrap.servers"].split(",")
    return f"{', '.join(known.addresses)}, --auth {known.settings.auth}"


def resolves(known: Known) -> str:
    lost = network.failing(network.resolve, known.addresses)
    found = remaining(known, "names", lost)
    refuse(
        [f"--bootstrap-servers: {at} has no address here ({why}): look at the VPC's DNS" for at, why in lost.items()]
    )
    return ", ".join(sorted({address.rpartition(":")[0] for address in found}))


def opens(known: Known) -> str:
    closed = network.failing(network.connect, known.addresses)
    opened = remaining(known, "ports", closed)
    refuse([shut(known, address, why) for address, why in closed.items()])
    return ", ".join(opened)


def remaining(known: Known, check: str, without: dict[str, str]) -> list[str]:
    """The addresses that are left; one is enough for Kafka's client, so others may build on a failed check."""
    known.addresses = [address for address in known.addresses if address not in without]
    if known.addresses:
        known.passed.add(check)
    return known.addresses


def shut(known: Known, address: str, why: str) -> str:
    remark = refusals.port(known.settings, address)
    return f"--bootstrap-servers: {address} doesn't open ({why}): look at security groups and routes{remark}"


def logs_in(known: Known) -> str:
    """The brokers let the principal in and describe every topic."""
    known.brokers = Brokers(known.spark, known.settings, known.connection)
    known.held = known.brokers.held()
    begin, end = known.held.begin, known.held.end
    sizes = {topic: sum(end[topic][p] - begin[topic][p] for p in found) for topic, found in begin.items()}
    return some([f"{topic}: partitions {len(begin[topic])}, records {size:,}" for topic, size in sizes.items()])


def reaches_leaders(known: Known) -> str:
    """Every partition has a broker that it can be read from, and that broker's address opens."""
    leaders = known.brokers.leaders(known.held.begin)
    without = leaders.pop("", [])
    closed = network.failing(network.connect, set(leaders) - set(known.addresses))
    problems = [f"{shut(known, at, why)}; the brokers name it for {some(leaders[at])}" for at, why in closed.items()]
    refuse([*problems, *([f"--topics: {some(without)} has no leader now"] if without else [])])
    return some(sorted(leaders))


def reads_ledger(known: Known) -> str:
    """The job could claim the ledger; nothing is claimed."""
    with told("--state", known.settings.state):
        last = known.last = known.writer.found()
    if last is None:
        return f"none yet in {known.settings.state}: a new table"
    return f"ends with {name(last.seq)}, a {last.kind} of {last.host} at {last.time}"


def goes_on(known: Known) -> str:
    """The brokers still hold what comes after the table's last records."""
    last = known.last
    start = source.resumed(known.brokers, known.settings, last and last.positions, last.ids if last else {})
    behind = sum(known.held.end.get(t, {}).get(p, at) - at for t, found in start.positions.items()
                 for p, at in found.items())  # fmt: skip
    where = "behind the table's last records" if last else f"from --starting {known.settings.starting} on"
    noted = [f"would be noted: {missing}" for missing in start.missing]
    return some([f"{max(behind, 0):,} offsets to read {where}", *noted])


def reads_records(known: Known) -> str:
    """The last record of a partition of each topic, read as the job's executors read."""
    begin = known.held.begin
    ends = known.brokers.offsets({topic: [*found] for topic, found in begin.items()}, "latest")
    said, problems = [], []
    for topic, found in begin.items():
        p = max(found, key=lambda p: ends[topic][p] - found[p])
        ranges = {topic: {p: (max(found[p], ends[topic][p] - LOOKED_AT), ends[topic][p])}}
        try:
            said.append(sampled(known, ranges) if ends[topic][p] > found[p] else f"{topic}: no record yet")
        except Exception as error:
            servers = known.connection["bootstrap.servers"]
            refused = refusals.meaning(only(known.settings, topic), str(error), servers)
            problems.append(str(refused or f"{topic}-{p} can't be read: {plain(error)}"))
    if known.samples:
        known.passed.add("records")
    refuse(problems)
    return some(said)


def sampled(known: Known, ranges: dict) -> str:
    """The last record of the one range is known from now on."""
    ((topic, partitions),) = ranges.items()
    ((p, _),) = partitions.items()
    records = source.part(known.spark, only(known.settings, topic), known.connection, ranges)
    found = records.select("offset", F.col("timestamp").cast("string").alias("time")).collect()
    if not found:
        return f"{topic}-{p}: no record at its end"
    last = max(found, key=lambda row: row.offset)
    known.samples[topic] = (p, last.offset)
    return f"{topic}-{p} at offset {last.offset}, of {last.time}"


def judges(known: Known) -> str:
    """What the transform makes of these records; it need not accept them, but must not break."""
    said, problems = [], []
    for topic, (p, offset) in known.samples.items():
        record = {topic: {p: (offset, offset + 1)}}
        rows = source.part(known.spark, only(known.settings, topic), known.connection, record)
        rows = rows.transform(known.transform)
        try:
            rows.write.format("noop").mode("overwrite").save()  # every column is computed
            reasons = [row[REJECT] for row in rows.select(REJECT).collect()]
        except Exception as error:
            problems.append(f"--transform: {known.settings.transform} fails on {topic}-{p} at {offset}: {plain(error)}")
            continue
        said += [f"{topic}: rejected: {reason}" if reason else f"{topic}: accepted" for reason in reasons]
    refuse(problems)
    return some(said) or "no record yet to try it on"


def looks_at_group(known: Known) -> str:
    group = known.settings.consumer_group
    if members := known.brokers.members(group):
        raise Refused("--consumer-group", f"{group} has {members} members, who alone may set its offsets; name another")
    return f"{group}: its offsets can be looked at; whether they may be set, only the first batch can tell"


def only(settings: Settings, topic: str) -> Settings:
    """The settings for one topic, and a reader that gives up soon; the user's own option wins."""
    options = (POLL, *settings.kafka_options)
    return dataclasses.replace(settings, topics=(topic,), topics_pattern=None, trigger=None, kafka_options=options)


def plain(error: Exception) -> str:
    if isinstance(error, Py4JJavaError):
        *_, (kind, message) = refusals.causes(error.java_exception)
        return f"{kind}: {message}".partition("\n")[0]
    return exits.first_line(error)


def some(said: list[str]) -> str:
    more = f"; and {len(said) - SHOWN} more" if len(said) > SHOWN else ""
    return "; ".join(said[:SHOWN]) + more


def refuse(problems: list[str]) -> None:
    if problems:
        raise Failed(some(problems))
