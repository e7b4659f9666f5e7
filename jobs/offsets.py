"""Offsets of topics and their arithmetic: what to read next, and what can't be read any more. Pure."""

import dataclasses
import math
from collections.abc import Iterable, Mapping

Positions = dict[str, dict[int, int]]  # topic → partition → the next offset to read
Ranges = dict[str, dict[int, tuple[int, int]]]  # topic → partition → [start, end)
Ids = dict[str, str]  # topic → Kafka's id of it; empty where the broker has none (before Kafka 2.8)

SHOWN = 10  # missing ranges in one message


class Lost(Exception):
    """The brokers no longer hold what comes after the table's last records."""


class OutOfStep(Exception):
    """A batch was planned that doesn't follow on the table; a fresh plan will."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Missing:
    """Offsets `start` to `end` of a partition never get into the table; no end: nobody knows how far they went."""

    topic: str
    partition: int
    start: int
    end: int | None
    reason: str

    def __str__(self) -> str:
        return REASONS[self.reason].format(self=self, last=self.end and self.end - 1)


REASONS = {
    "expired": "{self.topic}-{self.partition}: offsets {self.start} to {last} expired or were deleted on the brokers "
    "before they were read",
    "recreated": "{self.topic}-{self.partition}: the topic was deleted and created again; what it held from offset "
    "{self.start} on was not read",
    "deleted": "{self.topic}-{self.partition}: the topic was deleted; what it held from offset {self.start} on was not "
    "read",
    "truncated": "{self.topic}-{self.partition} ends at offset {self.end}, but the table holds it up to {self.start}: "
    "the brokers lost records that had been read",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Held:
    """What the brokers hold of the subscribed topics: the first offsets, the ends, and the topics' ids."""

    begin: Positions
    end: Positions
    ids: Ids


@dataclasses.dataclass(frozen=True, kw_only=True)
class Start:
    """Where a driver goes on in the subscribed topics: the offsets, the topics' ids, and what is lost on the way."""

    positions: Positions = dataclasses.field(default_factory=dict)
    ids: Ids = dataclasses.field(default_factory=dict)
    missing: tuple[Missing, ...] = ()

    def refuse(self) -> None:
        """Raises `Lost` when something is missing."""
        if self.missing:
            more = f"; and {len(self.missing) - SHOWN} more partitions" if len(self.missing) > SHOWN else ""
            named = "; ".join(str(missing) for missing in self.missing[:SHOWN])
            raise Lost(f"{named}{more}. To note this in the ledger and go on: --on-data-loss record")


def resumed(known: Positions, ids: Ids, held: Held, deleted: Iterable[str] = ()) -> Start:
    """Where a table that knows `known`, of the topics with `ids`, goes on with what the brokers hold now.

    A topic that the table doesn't know begins at its earliest record, and so does one that was created again. A new
    partition has to begin at 0, unless the topic has no id: a rebuilt ledger doesn't know of partitions without rows.
    `deleted` are known topics that are subscribed and not there.
    """
    positions: Positions = {}
    missing = [lost for topic in deleted for lost in gone(topic, known[topic], "deleted")]
    for topic, begin in held.begin.items():
        before = known.get(topic)
        positions[topic] = begin
        if before is None:
            continue
        if recreated(before, held.end[topic], ids.get(topic), held.ids.get(topic)):
            missing += gone(topic, before, "recreated")
            continue
        new = dict.fromkeys(begin, 0) if topic in ids else begin
        found = [after(topic, p, before.get(p, new[p]), begin[p], held.end[topic][p]) for p in begin]
        positions[topic] = {p: position for p, (position, _) in zip(begin, found, strict=True)}
        missing += [lost for _, lost in found if lost]
    return Start(positions=positions, ids=held.ids, missing=tuple(missing))


def recreated(before: Mapping[int, int], end: Mapping[int, int], old_id: str | None, new_id: str | None) -> bool:
    """Whether this is another topic of the same name; without ids, offsets that went back are taken for it."""
    if old_id and new_id:
        return old_id != new_id
    return any(position > end.get(p, 0) for p, position in before.items())


def after(topic: str, partition: int, position: int, begin: int, end: int) -> tuple[int, Missing | None]:
    """Where a partition goes on after `position`, and what is missing there."""
    at = {"topic": topic, "partition": partition, "start": position}
    if position < begin:
        return begin, Missing(**at, end=begin, reason="expired")
    if position > end:
        return end, Missing(**at, end=end, reason="truncated")
    return position, None


def gone(topic: str, known: Mapping[int, int], reason: str) -> list[Missing]:
    """Every known partition of a topic that isn't there any more, from its position on."""
    return [Missing(topic=topic, partition=p, start=position, end=None, reason=reason) for p, position in known.items()]


def by_partition(offsets: dict[str, dict[str, object]], value=int) -> dict[str, dict[int, object]]:
    """JSON's text keys as partition numbers: the form of Spark's offset log and of our records."""
    return {topic: {int(p): value(v) for p, v in partitions.items()} for topic, partitions in offsets.items()}


def between(start: Positions, end: Positions) -> Ranges:
    """What a batch reads: a partition without a start is new and begins at 0."""
    return {
        topic: {p: (start.get(topic, {}).get(p, 0), until) for p, until in partitions.items()}
        for topic, partitions in end.items()
    }


def edges(ranges: Ranges) -> tuple[Positions, Positions]:
    """Where `ranges` start, and where they end."""
    start, end = ({topic: {p: at[n] for p, at in found.items()} for topic, found in ranges.items()} for n in (0, 1))
    return start, end


def cut(ranges: Ranges, most: int | None) -> Ranges:
    """The first part of `ranges`: about `most` offsets, the same share of each partition; empty ones left out."""
    share = min(1.0, most / max(size(ranges), 1)) if most else 1.0
    part: Ranges = {}
    for topic, partitions in ranges.items():
        for p, (start, end) in partitions.items():
            if end > start:
                part.setdefault(topic, {})[p] = (start, min(end, start + math.ceil((end - start) * share)))
    return part


def remaining(ranges: Ranges, positions: Positions) -> Ranges:
    """The part of `ranges` that the table doesn't hold yet: of a batch that Spark repeats, nothing.

    Raises `OutOfStep` when something before it is missing, or when it goes backwards, as in a topic created again.
    """
    left: Ranges = {}
    for topic, partitions in ranges.items():
        for partition, (start, end) in partitions.items():
            position = positions.get(topic, {}).get(partition, start)
            if start > position or end < start:
                raise OutOfStep(
                    f"{topic}-{partition}: offsets {start} to {end} were planned, but the table goes on at {position}"
                )
            if end > max(start, position):
                left.setdefault(topic, {})[partition] = (max(start, position), end)
    return left


def advanced(positions: Positions, ranges: Ranges) -> Positions:
    """The positions once `ranges` are in the table; a partition never goes back."""
    further = {topic: dict(partitions) for topic, partitions in positions.items()}
    for topic, partitions in ranges.items():
        for partition, (_, end) in partitions.items():
            further.setdefault(topic, {})[partition] = max(end, further.get(topic, {}).get(partition, 0))
    return further


def size(ranges: Ranges) -> int:
    """The number of offsets in `ranges`: at least as many as records."""
    return sum(end - start for partitions in ranges.values() for start, end in partitions.values())


def changed(before: Ids, now: Ids) -> Iterable[str]:
    """The topics that are others of the same name now."""
    return [topic for topic, id_ in now.items() if id_ and before.get(topic) and before[topic] != id_]
