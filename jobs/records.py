"""The ledger's records as they lie in a store."""

import contextlib

from jobs import ledger
from jobs.ledger import Record, Unreadable
from jobs.store import FAULTS, Store


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
            raise Unreadable(f"ledger record {ledger.name(seq)} is missing in {self.state}")
        return ledger.decoded(seq, data)

    def last(self) -> Record | None:
        """The highest record. The hint only says where to begin looking: a wrong one costs a full listing."""
        hint = self.store.read(f"{self.state}/ledger/{ledger.HINT}") or b""
        seqs = self._seqs(from_=int(hint)) if hint.isdigit() else []
        seqs = seqs or self._seqs(from_=0)
        last = ledger.last(seqs)
        return None if last is None else self.read(last)

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
