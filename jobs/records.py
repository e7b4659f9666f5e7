"""The ledger's records as they lie in a store."""

import contextlib

from jobs import ledger
from jobs.ledger import Record, Unreadable
from jobs.store import FAULTS, Store

REMEDY = "restore it, or move the ledger away and let `spark-submit jobs/rebuild.py` make it again from the table"
# How far back a missing record is noticed: as far as one request lists. To go on, the last record is enough, and the
# last batch that it may name.
LOOK_BACK = 900


class Records:
    """The folder `<state>/ledger`, for its one writer and for whoever reads it."""

    def __init__(self, store: Store, state: str):
        self.store = store
        self.state = state

    def create(self, record: Record) -> bool:
        """Whether the record is there now, and is this one."""
        return self.store.create(self._key(record.seq), ledger.encoded(record))

    def read(self, seq: int) -> Record:
        data = self.store.read(self._key(seq))
        if data is None:
            raise Unreadable(f"--state: ledger record {self._key(seq)} is missing; {REMEDY}")
        try:
            return ledger.decoded(seq, data)
        except Unreadable as damage:
            raise Unreadable(f"--state: {damage} in {self.state}; {REMEDY}") from None

    def last(self) -> Record | None:
        """The highest record. The hint says where to look, and that a record had been there.

        Raises `Unreadable` when that one is gone, or one of the latest is missing.
        """
        hint = self.store.read(f"{self.state}/ledger/{ledger.HINT}") or b""
        hinted = int(hint) if hint.isdigit() else -1
        seqs = self._seqs(from_=max(hinted - LOOK_BACK, 0)) or self._seqs(from_=0)
        try:
            last = ledger.last(seqs)
        except Unreadable as damage:
            raise Unreadable(f"--state: {damage} in {self.state}; {REMEDY}") from None
        if hinted > (-1 if last is None else last):
            raise Unreadable(
                f"--state: ledger record {self._key(hinted)} is missing, though {ledger.HINT!r} beside it says that it "
                f"was there; {REMEDY}"
            )
        return None if last is None else self.read(last)

    def if_there(self, seq: int) -> Record | None:
        """Record `seq`, if it is there already."""
        return self.read(seq) if self.store.exists(self._key(seq)) else None

    def _seqs(self, from_: int) -> list[int]:
        """The record numbers from `from_` on; none if record `from_` itself isn't there, unless it is 0."""
        after = ledger.name(from_ - 1) if from_ > 0 else ""
        found = (ledger.number(entry.name) for entry in self.store.files(f"{self.state}/ledger", after))
        seqs = [seq for seq in found if seq is not None]
        return seqs if from_ in (0, *seqs[:1]) else []

    def hint(self, seq: int) -> None:
        """Whoever looks for the last record begins at `seq`."""
        with contextlib.suppress(*FAULTS):  # a batch is not worse for a bad hint
            self.store.replace(f"{self.state}/ledger/{ledger.HINT}", str(seq).encode())

    def _key(self, seq: int) -> str:
        return f"{self.state}/ledger/{ledger.name(seq)}"
