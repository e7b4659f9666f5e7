"""The one writer of a table: claims its ledger, commits batches to it, publishes their files.

Spark-free: everything goes through a store's verbs, so that a test can interleave two writers and crash them anywhere.
"""

import dataclasses
import functools
import json
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone

from jobs import flags, ledger, offsets
from jobs.ledger import Batch, Claim, File, Gap, Record
from jobs.offsets import Ids, Positions, Start
from jobs.records import Records
from jobs.settings import Refused
from jobs.store import FAULTS, REQUESTS_AT_ONCE, Store, denied, missing_bucket, unknown_header

# Where to go on: from the table's positions (none for a new table) and its topics' ids.
Resume = Callable[[Positions | None, Ids], Start]

PROBE = re.compile(r"-(\d+)-probe$")  # the end of a probe's folder, with the second in which it was begun
# A probe takes seconds, and clocks differ by less: S3 refuses a quarter of an hour. One that was stopped for longer and
# finds its folder gone doubts its store, and ends before it has claimed anything.
ABANDONED_S = 3600


class Fenced(Exception):
    """Another driver took the ledger over: this one may not write any more."""


class Unusable(Exception):
    """The store, or what lies in it, can't keep the promise; a person has to look."""


@dataclasses.dataclass(frozen=True)
class Places:
    """URIs of the table, its quarantine and the state, as `settings` gives them."""

    table: str
    quarantine: str
    state: str


class Writer:
    """`claim` makes this driver the table's writer; `positions` are the offsets to continue from."""

    def __init__(self, store: Store, places: Places, application: str):
        self.store = store
        self.places = places
        self.records = Records(store, places.state)
        self.id = uuid.uuid4().hex
        self.application = application
        self.seq = -1
        self.attempts = 0
        self.positions: Positions = {}
        self.ids: Ids = {}
        self.last_batch: Batch | None = None
        self.unpublished = False  # its last batch is committed, and perhaps not wholly there

    def prove(self) -> None:
        """The store can publish what is staged and refuses a second create of one key; raises `Unusable` otherwise."""
        self.reach()
        with self._usable("state"):
            self.create_once()

    def reach(self) -> None:
        """Files that are staged in the state can appear in table and quarantine."""
        for name, place in dataclasses.asdict(self.places).items():
            with self._usable(name):
                self.store.exists(f"{place}/")
                self.store.reaches(place, place)
        for name in ("table", "quarantine"):
            if not self.store.reaches(self.places.state, getattr(self.places, name)):
                raise Unusable(f"--{name}: {getattr(self.places, name)} is not on the file system of --state "
                               f"{self.places.state}, so files can't appear there in one step")  # fmt: skip

    @contextmanager
    def _usable(self, name: str) -> Iterator[None]:
        try:
            yield
        except FAULTS as error:
            if missing_bucket(error):
                raise
            why = getattr(error, "strerror", None) or " ".join(str(error).split())
            why = f"{getattr(self.places, name)} can't be used: {why}"
            if denied(error):
                raise Refused(f"--{name}", why) from error
            raise OSError(f"--{name}: {why}") from error

    @functools.cached_property
    def probe(self) -> str:
        """A folder for what is tried and taken away again; other drivers leave it alone for an hour from now on."""
        return f"{self.places.state}/staging/{self.id}-{int(time.time())}-probe"

    def create_once(self) -> None:
        """Of two creates of one key the store refuses the second."""
        probe = f"{self.probe}/object"
        try:
            kept = self.store.create(probe, b"first") and not self.store.create(probe, b"second")
            kept = kept and self.store.read(probe) == b"first"
        except FAULTS as error:
            if not unknown_header(error):
                raise
            kept = False
        finally:
            self.store.delete(self.probe)
        if not kept:
            raise Unusable(
                f"--state: the store of {self.places.state} can't be told to create an object only where there is "
                "none, so two drivers could both commit one batch; use one that honours If-None-Match, like Amazon S3"
            )

    def claim(self, resume: Resume) -> Start:
        """This driver is the only one that can commit, and what was committed before is published; where it goes on."""
        while True:
            last = self.records.last()
            if last is None and self._orphaned():
                continue
            if last:
                self._take_over(last)
            start = resume(last.positions if last else None, self.ids)
            # Listed before the claim: these writers can't commit after it. A later driver's folder is not among them.
            left_over = [*filter(abandoned, self.store.folders(f"{self.places.state}/staging"))]
            if self.begin(start):
                break
        self._remove(left_over)
        return start

    def found(self) -> Record | None:
        """The ledger's last record, if a claim could follow it now; raises what `claim` would, and writes nothing."""
        last = self.records.last()
        if last is None and self._orphaned():
            return self.found()
        if last:
            self._refuse_other_places(last)
        if isinstance(last, Batch):
            self._copy(last, lambda staged, target, _: self.store.exists(target) or self.store.exists(staged))
        elif last:
            self._batch_before(last)
        return last

    def begin(self, start: Start) -> bool:
        """Whether the next record is this writer's claim, made now; one with missing offsets is a gap.

        A claim says that all before it is published: no driver would look for the files of an earlier batch again.
        """
        if self.unpublished:
            raise AssertionError(f"batch {self.seq} is committed and not published, so no claim may follow it")
        gone = {missing.topic for missing in start.missing if missing.end is None}
        kept = {topic: at for topic, at in self.positions.items() if topic not in gone}
        fields = {
            **self._signature(),
            # Partition by partition: a replay may read only some of a topic's.
            "positions": kept | {topic: {**kept.get(topic, {}), **at} for topic, at in start.positions.items()},
            "ids": {**self.ids, **start.ids},
            "last_batch": self.last_batch.seq if self.last_batch else None,
        }
        claimed = self._create(Gap(**fields, missing=start.missing) if start.missing else Claim(**fields))
        if claimed:
            self.records.hint(self.seq)
        return claimed

    def resume(self, resume: Resume) -> Start:
        """This writer is level with the ledger again, after a failure whose outcome isn't known; raises `Fenced`.

        Its new claim takes the number that a request still under way would create.
        """
        while True:
            last = self.records.last()
            if last is None or last.writer != self.id:
                raise self._fenced(last)
            self._take_over(last)
            start = resume(self.positions, self.ids)
            if self.begin(start):
                break
        ours = (name for name in self.store.folders(f"{self.places.state}/staging") if name.startswith(self.id))
        self._remove(ours)
        return start

    def final(self, values: str, n: int) -> str:
        """The key, for ever, of the next batch's file `n` in the folder `values`; no other record has it."""
        return f"{values}/{self.seq + 1:012}-{n:05}-{self.id[:8]}.parquet"

    def staging(self) -> str:
        """A folder, below the state, to stage the next batch in: new at every call, so no leftover can get into it."""
        self.attempts += 1
        return f"staging/{self.id}-{self.seq + 1:012}-{self.attempts}"

    def commit(self, ids: Ids, **fields) -> Batch:
        """The next batch's record: once it is created, the batch is in the table. Raises `Fenced`."""
        positions = offsets.advanced(self.positions, fields["ranges"])
        batch = Batch(**self._signature(), positions=positions, ids={**self.ids, **ids}, **fields)
        if not self._create(batch):
            self.store.delete(f"{self.places.state}/{batch.staging}")
            raise self._fenced(self.records.read(batch.seq))
        self.last_batch, self.unpublished = batch, True
        self.records.hint(self.seq)
        return batch

    def look(self) -> None:
        """Raises `Fenced` when another driver has taken the ledger over."""
        after = self.records.if_there(self.seq + 1)
        if after and after.writer != self.id:
            raise self._fenced(after)

    def publish(self, batch: Batch) -> None:
        """Every file of `batch` is at its final key and its staging is gone; raises `Unusable` if a file is nowhere."""
        self._copy(batch, self.store.copy)
        self.unpublished = False
        self.store.delete(f"{self.places.state}/{batch.staging}")

    def _copy(self, batch: Batch, copy: Callable[[str, str, int], bool]) -> None:
        def there(move: tuple[str, str, File]) -> bool:
            staged, target, file = move
            return copy(staged, target, file.bytes) or self.store.exists(target)

        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            moves = [*self._moves(batch)]
            for is_there, (_, target, _) in zip(pool.map(there, moves), moves, strict=True):
                if not is_there:
                    if self.records.if_there(batch.seq + 1):
                        return  # before that record was made all was published; since then the files are their owner's
                    raise Unusable(
                        f"{target} of ledger record {ledger.name(batch.seq)} is gone and was not staged any more; "
                        f"the batch holds offsets {json.dumps(batch.ranges)}: restore the file, or read them again"
                    )

    def _copy_if_absent(self, staged: str, target: str, size: int) -> bool:
        """A file that a reader may have seen is left alone, also where the store can't refuse to replace it."""
        return self.store.exists(target) or self.store.copy(staged, target, size)

    def _moves(self, batch: Batch) -> Iterator[tuple[str, str, File]]:
        for root, files in ((self.places.table, batch.table_files), (self.places.quarantine, batch.quarantine_files)):
            for file in files:
                yield f"{self.places.state}/{file.staged}", f"{root}/{file.final}", file

    def _take_over(self, last: Record) -> None:
        """The last batch is wholly published, and this writer stands behind `last`."""
        self._refuse_other_places(last)
        if isinstance(last, Batch):
            self._copy(last, self._copy_if_absent)
            self.last_batch = last
        else:
            self.last_batch = self._batch_before(last)
        self.unpublished = False
        self._stand_behind(last)

    def _batch_before(self, claim: Claim | Gap) -> Batch | None:
        """The last batch before the claim was made, which was published by then."""
        return None if claim.last_batch is None else self.records.read(claim.last_batch)

    def _refuse_other_places(self, last: Record) -> None:
        for name in ("table", "quarantine"):
            theirs, ours = getattr(last, name), getattr(self.places, name)
            if not (flags.inside(theirs, ours) and flags.inside(ours, theirs)):
                raise Unusable(f"--{name}: the ledger in {self.places.state} belongs to {theirs}, not to {ours}")

    def _orphaned(self) -> bool:
        """Raises `Unusable` when the places hold files without a ledger; true when a ledger has come up meanwhile."""
        for root in (self.places.table, self.places.quarantine):
            if next(iter(self.store.files(root)), None):
                if self.records.last():
                    return True
                raise Unusable(
                    f"--state: {root} has files, but {self.places.state} has no ledger: are they somebody else's, or "
                    "was --state mistyped? If the ledger is lost, `spark-submit jobs/rebuild.py` makes it again from "
                    "the table"
                )
        return False

    def _remove(self, staged: Iterable[str]) -> None:
        for folder in staged:
            self.store.delete(f"{self.places.state}/staging/{folder}")

    def _signature(self) -> dict:
        return {
            "seq": self.seq + 1,
            "writer": self.id,
            "host": socket.gethostname(),
            "application": self.application,
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "table": self.places.table,
            "quarantine": self.places.quarantine,
        }

    def _create(self, record: Record) -> bool:
        created = self.records.create(record)
        if created:
            self._stand_behind(record)
        return created

    def _stand_behind(self, record: Record) -> None:
        self.seq, self.positions, self.ids = record.seq, record.positions, record.ids

    def _fenced(self, by: Record | None) -> Fenced:
        if by is None:
            return Fenced(
                f"the ledger in {self.places.state} is gone; this driver stops before it writes anything more"
            )
        return Fenced(
            f"driver {by.writer} ({by.application} on {by.host}) took {self.places.state} over at {by.time} "
            f"with ledger record {ledger.name(by.seq)}; this driver stops, nothing is lost"
        )


def abandoned(staged: str) -> bool:
    """Whether nobody is at work in a folder of staging, once its writer can't commit any more.

    A probe may be that of a driver that is starting just now: without it, it would doubt its store.
    """
    probe = PROBE.search(staged)
    return not probe or time.time() - int(probe[1]) > ABANDONED_S
