"""The protocol in every order: two drivers' requests to S3 interleaved in all ways, up to a small depth.

`test_writer` goes far at random; here nothing small is left out.
"""

import json
from collections import Counter

import pytest

from jobs import ledger, writer
from jobs.ledger import Batch, File
from jobs.offsets import Start
from jobs.writer import Fenced, Places, Writer
from tests.kit.interleaved import Serial
from tests.kit.orders import Search, Wrong

PLACES = Places("s3://b/table", "s3://b/quarantine", "s3://b/state")
ROOTS = ("table", "quarantine")


@pytest.fixture(autouse=True)
def copies_are_steps(monkeypatch):
    monkeypatch.setattr(writer, "ThreadPoolExecutor", Serial)


def on(positions, ids) -> Start:
    return Start(positions=positions or {"t": {0: 0}})


class Driver(Writer):
    """Its records tell no time, only which of its own they are: nothing but the answers makes a difference."""

    signed = 0

    def _signature(self) -> dict:
        self.signed += 1
        return {**super()._signature(), "host": "", "time": str(self.signed)}


class Job:
    """`batches` batches of a record for each of `roots`; a driver may lose answers, and then makes itself level."""

    def __init__(self, batches: int, roots: tuple[str, ...], driver: type[Driver] = Driver):
        self.end = batches * len(roots)
        self.roots = roots
        self.driver = driver

    def drive(self, store, number: int, rest: tuple | None) -> tuple:
        """One phase of a driver's life: the next phase, and what it remembers."""
        driver = self.driver(store, PLACES, "app")
        driver.id = f"driver-{number}"
        phase, fields = rest or ("claim", {})
        vars(driver).update(fields)
        memory = ("id", "seq", "signed", "attempts", "positions", "ids", "last_batch")
        store.client.once(store, "create", "delete")
        store.client.once(driver.records, "last", "hint")
        store.client.once(driver, "_orphaned", "_copy")
        try:
            getattr(self, phase)(driver)
            following = "publish" if phase == "commit" else "commit" if driver.positions["t"][0] < self.end else "done"
        except TimeoutError:
            following = "gave up" if phase == "claim" else "resume"
        except Fenced:
            following = "fenced"
        return following, {name: getattr(driver, name) for name in memory}

    def claim(self, driver: Driver) -> None:
        driver.claim(on)

    def commit(self, driver: Driver) -> None:
        start = driver.positions["t"][0]
        staging = driver.staging()
        files = {"table": (), "quarantine": ()}
        for offset, root in enumerate(self.roots, start):
            row = json.dumps([offset]).encode()
            staged = f"{staging}/{root}/dt=1/part"
            driver.store.replace(f"{PLACES.state}/{staged}", row)
            files[root] = (File(staged=staged, final=driver.final("dt=1", 0), bytes=len(row), rows=1),)
        driver.commit(
            ids={}, query="q", batch_id=0, staging=staging, ranges={"t": {0: (start, start + len(self.roots))}},
            table_files=files["table"], quarantine_files=files["quarantine"], rows_in=0, rows_written=0,
            rows_rejected=0, holes=0, transform="t", fingerprint="f",
        )  # fmt: skip

    def publish(self, driver: Driver) -> None:
        driver.publish(driver.last_batch)

    def resume(self, driver: Driver) -> None:
        driver.resume(on)

    def settled(self, objects: dict[str, bytes], alone: bool = False) -> None:
        """What is committed is published, and the ledger says what is there: every record."""
        at, files = 0, {}
        for seq in range(sum(ledger.number(key.rpartition("/")[2]) is not None for key in objects)):
            record = ledger.decoded(seq, objects[f"state/ledger/{ledger.name(seq)}"])
            if isinstance(record, Batch):
                start, end = record.ranges["t"][0]
                assert start == at, f"record {seq} doesn't follow on the one before"
                at = end
                for root, its in (("table", record.table_files), ("quarantine", record.quarantine_files)):
                    files |= {f"{root}/{file.final}": file.bytes for file in its}
            assert record.positions == {"t": {0: at}}, f"record {seq} goes on elsewhere"
        assert at == self.end, f"the ledger ends at offset {at}"
        assert files == {key: len(rows) for key, rows in visible(objects).items()}, "the ledger names other files"
        assert sorted(rows_of(objects)) == [*range(self.end)], "rows are missing"
        assert not (alone and [key for key in objects if key.startswith("state/staging/")]), "staging was left behind"

    def search(self, drivers: int = 2, losses: int = 0) -> Search:
        return Search(self.drive, seen, self.settled, drivers, losses).run()


def visible(objects: dict[str, bytes]) -> dict[str, bytes]:
    return {key: rows for key, rows in objects.items() if key.partition("/")[0] in ROOTS}


def rows_of(objects: dict[str, bytes]) -> Counter:
    return Counter(row for rows in visible(objects).values() for row in json.loads(rows))


def seen(before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """What any reader of table and quarantine sees of one step: in every order of steps, for each is looked at."""
    assert visible(before).items() <= visible(after).items(), "a file vanished or changed"
    rows = rows_of(after)
    assert set(rows.values()) <= {1}, f"a row is there twice: {rows}"


def deeper(*values):
    return pytest.param(*values, marks=pytest.mark.soak)


ONE = ROOTS[:1]


@pytest.mark.parametrize(
    "batches, roots, drivers, losses, floor",
    [
        (2, ROOTS, 2, 0, 20_000),
        (1, ONE, 3, 0, 30_000),
        (1, ONE, 2, 1, 80_000),
        deeper(2, ONE, 3, 0, 200_000),
        deeper(1, ONE, 4, 0, 200_000),
        deeper(2, ONE, 2, 1, 600_000),
    ],
)
def test_no_order_of_requests_kills_and_lost_answers_breaks_the_promise(batches, roots, drivers, losses, floor):
    search = Job(batches, roots).search(drivers, losses)
    print(f"{len(search.states):,} states, {len(search.objects):,} contents of the store, {search.orders():,} orders")
    assert len(search.states) > floor, "the search has become smaller"


class Overwriting(Driver):
    """Its record replaces one that is there."""

    def __init__(self, *args):
        super().__init__(*args)
        self.records.create = lambda record: (
            not self.store.replace(self.records._key(record.seq), ledger.encoded(record))
        )


class Sweeping(Driver):
    """Removes what others staged before its claim is decided."""

    def begin(self, start: Start) -> bool:
        self._remove(self.store.folders(f"{PLACES.state}/staging"))
        return super().begin(start)


class Hasty(Driver):
    """Publishes a batch before its record."""

    def _create(self, record) -> bool:
        if isinstance(record, Batch):
            self._copy(record, self.store.copy)
        return super()._create(record)


@pytest.mark.parametrize(
    "driver, wrong",
    [(Overwriting, "a row is there twice"), (Sweeping, "is gone and was not staged"), (Hasty, "a row is there twice")],
)
def test_the_search_finds_what_is_wrong_with_another_protocol(driver, wrong):
    with pytest.raises(Wrong, match=wrong) as found:
        Job(1, ROOTS[:1], driver).search(3)
    print(f"\n{found.value}")
