"""The ledger's records and their rules: pure, no Spark, no store.

A ledger is a folder of numbered records. Creating record n is the commit of batch n; whoever creates it owns n.
Every record carries `positions`, the offsets to continue from, so the last one alone says what the table holds.
"""

import dataclasses
import itertools
import json
import re

Positions = dict[str, dict[int, int]]  # topic → partition → the next offset to read
Ranges = dict[str, dict[int, tuple[int, int]]]  # topic → partition → [start, end)

VERSION = 1
HINT = "latest"


class Unreadable(Exception):
    """The ledger isn't what this job wrote; a person has to look."""


class Gap(Exception):
    """Records are missing between what the table holds and what the batch would add."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class File:
    """A file of a batch: where it is staged (below the state) and its key for ever (below its table)."""

    staged: str
    final: str
    bytes: int
    rows: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """A driver took the ledger over. `last_batch` is the number of the last batch record, if there is one."""

    seq: int
    writer: str
    host: str
    application: str
    time: str
    table: str
    quarantine: str
    positions: Positions
    last_batch: int | None
    kind: str = "claim"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """A micro-batch is in the table. `holes` counts offsets that hold no record (compacted, aborted)."""

    seq: int
    writer: str
    host: str
    application: str
    time: str
    table: str
    quarantine: str
    query: str
    batch_id: int
    ranges: Ranges
    positions: Positions
    table_files: tuple[File, ...]
    quarantine_files: tuple[File, ...]
    rows_in: int
    rows_written: int
    rows_rejected: int
    holes: int
    transform: str
    fingerprint: str
    staging: str
    kind: str = "batch"

    @property
    def files(self) -> tuple[File, ...]:
        return self.table_files + self.quarantine_files


Record = Claim | Batch
KINDS = {"claim": Claim, "batch": Batch}


def name(seq: int) -> str:
    return f"{seq:012}.json"


def number(name: str) -> int | None:
    """The record number of a file in the ledger folder; none for anything else."""
    found = re.fullmatch(r"(\d{12})\.json", name)
    return int(found[1]) if found else None


def encoded(record: Record) -> bytes:
    return json.dumps({"version": VERSION, **dataclasses.asdict(record)}, separators=(",", ":")).encode()


def decoded(seq: int, data: bytes) -> Record:
    """Record `seq` from its bytes; raises `Unreadable` when they are not what `encoded` wrote."""
    try:
        fields = json.loads(data)
        version, kind = fields.pop("version"), KINDS[fields["kind"]]
        if version != VERSION or fields["seq"] != seq:
            raise ValueError(f"version {version}, number {fields['seq']}")
        fields["positions"] = by_partition(fields["positions"])
        if kind is Batch:
            fields["ranges"] = by_partition(fields["ranges"], tuple)
            for files in ("table_files", "quarantine_files"):
                fields[files] = tuple(File(**file) for file in fields[files])
        return kind(**fields)
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise Unreadable(f"ledger record {name(seq)} is damaged ({type(wrong).__name__}: {wrong})") from wrong


def by_partition(offsets: dict[str, dict[str, object]], value=int) -> dict[str, dict[int, object]]:
    """JSON's text keys as partition numbers: the form of Spark's offset log and of our records."""
    return {topic: {int(p): value(v) for p, v in partitions.items()} for topic, partitions in offsets.items()}


def last(numbers: list[int]) -> int | None:
    """The highest record number; raises `Unreadable` when one before it is missing."""
    for before, after in itertools.pairwise(numbers):
        if after != before + 1:
            raise Unreadable(f"ledger record {name(before + 1)} is missing, but {name(after)} is there")
    return numbers[-1] if numbers else None


def between(start: Positions, end: Positions) -> Ranges:
    """What a batch reads: a partition without a start is new and begins at 0."""
    return {
        topic: {p: (start.get(topic, {}).get(p, 0), until) for p, until in partitions.items()}
        for topic, partitions in end.items()
    }


def remaining(ranges: Ranges, positions: Positions) -> Ranges:
    """The part of `ranges` that the table doesn't hold yet; raises `Gap` when something before it is missing.

    A replayed batch, and one planned from a rolled-back checkpoint, start before `positions`: what is there is cut off.
    """
    left: Ranges = {}
    for topic, partitions in ranges.items():
        for partition, (start, end) in partitions.items():
            position = positions.get(topic, {}).get(partition, start)
            if start > position:
                raise Gap(f"{topic}-{partition}: offsets {position} to {start - 1} are not in the table, "
                          f"and the checkpoint goes on after them, at {start}: remove the checkpoint, and "
                          "the job goes on where the table ends")  # fmt: skip
            if end > max(start, position):
                left.setdefault(topic, {})[partition] = (max(start, position), end)
    return left


def advanced(positions: Positions, ranges: Ranges) -> Positions:
    """The positions once `ranges` are in the table; a partition never goes back."""
    after = {topic: dict(partitions) for topic, partitions in positions.items()}
    for topic, partitions in ranges.items():
        for partition, (_, end) in partitions.items():
            after.setdefault(topic, {})[partition] = max(end, after.get(topic, {}).get(partition, 0))
    return after


def joined(positions: Positions, known: Positions) -> Positions:
    """`positions` and what else is `known`: a topic that is not read now is remembered, in case it is read again."""
    topics = {*positions, *known}
    return {topic: {**positions.get(topic, {}), **known.get(topic, {})} for topic in topics}


def lost(known: Positions, begin: Positions, end: Positions) -> None:
    """Raises `Gap` when the brokers, which hold `begin` to `end`, no longer hold what comes next."""
    for topic, partitions in begin.items():
        for partition, earliest in partitions.items():
            position = known[topic].get(partition, 0) if topic in known else earliest
            if position < earliest:
                raise Gap(f"{topic}-{partition}: offsets {position} to {earliest - 1} expired or were deleted "
                          "on the brokers before they were read")  # fmt: skip
            if position > end[topic][partition]:
                raise Gap(f"{topic}-{partition} ends at offset {end[topic][partition]}, but the table holds it up to "
                          f"{position - 1}: was the topic deleted and created again?")  # fmt: skip


def size(ranges: Ranges) -> int:
    """The number of offsets in `ranges`: at least as many as records."""
    return sum(end - start for partitions in ranges.values() for start, end in partitions.values())
