"""The ledger's records and their rules: pure, no Spark, no store.

A ledger is a folder of numbered records. Creating record n is the commit of batch n; whoever creates it owns n.
Every record carries `positions`, the offsets to continue from, and the `ids` of their topics, so the last one alone
says what the table holds.
"""

import dataclasses
import itertools
import json
import re

from jobs.offsets import Ids, Missing, Positions, Ranges, by_partition

VERSION = 1
HINT = "latest"


class Unreadable(Exception):
    """The ledger isn't what this job wrote; a person has to look."""


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
    ids: Ids
    last_batch: int | None
    kind: str = "claim"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gap(Claim):
    """A claim whose positions lie behind records that were `missing`: they are not in the table and never will be."""

    missing: tuple[Missing, ...]
    kind: str = "gap"


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
    ids: Ids
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

    @property
    def partitioned_by(self) -> tuple[str, ...] | None:
        """The columns that name the folders of its files in the table, if it has any there."""
        for file in self.table_files:
            return tuple(folder.partition("=")[0] for folder in file.final.split("/")[:-1])
        return None


Record = Claim | Gap | Batch
KINDS = {"claim": Claim, "gap": Gap, "batch": Batch}


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
        if kind is Gap:
            fields["missing"] = tuple(Missing(**missing) for missing in fields["missing"])
        if kind is Batch:
            fields["ranges"] = by_partition(fields["ranges"], tuple)
            for files in ("table_files", "quarantine_files"):
                fields[files] = tuple(File(**file) for file in fields[files])
        return kind(**fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as wrong:
        raise Unreadable(f"ledger record {name(seq)} is damaged ({type(wrong).__name__}: {wrong})") from wrong


def last(numbers: list[int]) -> int | None:
    """The highest record number; raises `Unreadable` when one before it is missing."""
    for before, after in itertools.pairwise(numbers):
        if after != before + 1:
            raise Unreadable(f"ledger record {name(before + 1)} is missing, but {name(after)} is there")
    return numbers[-1] if numbers else None
