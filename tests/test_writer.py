"""The ledger's protocol: the job's own writer, several at once, stopped and killed anywhere."""

import contextlib
import json
import time
from collections import Counter

import pytest
from botocore.exceptions import ClientError
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from jobs import ledger, offsets, writer
from jobs.ledger import File, Unreadable
from jobs.offsets import Start
from jobs.settings import Refused
from jobs.store import Local
from jobs.writer import Fenced, Places, Unusable, Writer
from tests.kit.interleaved import Crashed, Driver, Memory, Serial, interleave

PLACES = Places("s3://b/table", "s3://b/table_quarantine", "s3://b/table_state")
END = 9  # offsets in the one partition of the one topic
FILES = 2  # files a batch


@pytest.fixture(autouse=True)
def copies_are_steps(monkeypatch):
    monkeypatch.setattr(writer, "ThreadPoolExecutor", Serial)


def on(positions, ids) -> Start:
    return Start(positions=positions or {"t": {0: 0}})


def claimed(store, name="app") -> Writer:
    driver = Writer(store, PLACES, name)
    driver.claim(on)
    return driver


def ingest(driver: Writer, upto: int, behind: int = 0):
    """One batch as the sink makes it: from `behind` offsets before the position, staged in two files."""
    start = max(driver.positions["t"][0] - behind, 0)
    ranges = offsets.remaining({"t": {0: (start, upto)}}, driver.positions)
    begin, end = ranges["t"][0]
    staging = driver.staging()
    files = []
    for n in range(FILES):
        rows = json.dumps([*range(begin + n, end, FILES)]).encode()
        staged = f"{staging}/table/dt=1/part-{n}"
        driver.store.replace(f"{PLACES.state}/{staged}", rows)
        files.append(File(staged=staged, final=driver.final("dt=1", n), bytes=len(rows), rows=1))
    return driver.commit(
        ids={}, query="q", batch_id=0, staging=staging, ranges=ranges, table_files=tuple(files), quarantine_files=(),
        rows_in=0, rows_written=0, rows_rejected=0, holes=0, transform="t", fingerprint="f",
    )  # fmt: skip


def drive(step: int, behind: int):
    """A driver that ingests `step` offsets a batch to the end, or until it is fenced or dead; resumes what it lost."""

    def work(store):
        driver, level = claimed(store), True
        while driver.positions["t"][0] < END or not level:
            with contextlib.suppress(TimeoutError):
                if not level:
                    driver.resume(on)
                level = False
                if driver.positions["t"][0] < END:
                    driver.publish(ingest(driver, min(driver.positions["t"][0] + step, END), behind))
                level = True

    return work


class Reader:
    """Lists the table after every step, as any engine might."""

    def __init__(self, store: Memory):
        self.store = store
        self.seen: dict[str, bytes] = {}

    def look(self) -> Counter:
        files = {uri: data for uri, data in self.store.objects.items() if uri.startswith(f"{PLACES.table}/")}
        assert self.seen.items() <= files.items(), "a file vanished or changed"
        self.seen = files
        rows = Counter(row for data in files.values() for row in json.loads(data))
        assert set(rows.values()) <= {1}, f"a row is there twice: {rows}"
        return rows


def every_record_once(schedule, drivers, overwrites=False):
    """Whatever the order and the crashes: no row twice, none vanishes, and one more start completes the table."""
    store = Memory(overwrites)
    reader = Reader(store)
    started = [Driver(drive(step, behind), store) for step, behind in drivers]
    interleave(started, schedule, reader.look)
    for driver in started:
        assert driver.error is None or isinstance(driver.error, (Crashed, Fenced, TimeoutError)), driver.error
    last = Driver(drive(END, 0), store)
    interleave([last], [], reader.look)
    assert last.error is None, last.error
    assert sorted(reader.look()) == [*range(END)], "rows are missing"
    assert not store.files(f"{PLACES.state}/staging"), "staging was left behind"


# A driver goes some requests far before another does: one at a time, two would seldom meet at the places that matter.
SCHEDULES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 12), st.sampled_from([""] * 6 + ["crash", "lost", "lost"])), max_size=25
)
DRIVERS = st.lists(st.tuples(st.integers(1, 5), st.integers(0, 3)), min_size=2, max_size=3)


@settings(max_examples=400, deadline=None)
@given(SCHEDULES, DRIVERS)
def test_every_record_is_in_the_table_once_whatever_two_or_three_drivers_do(schedule, drivers):
    every_record_once(schedule, drivers)


def test_the_same_drivers_duplicate_or_lose_records_on_a_store_that_overwrites():
    @settings(
        max_examples=400,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
    )
    @given(SCHEDULES, DRIVERS)
    def broken(schedule, drivers):
        every_record_once(schedule, drivers, overwrites=True)

    with pytest.raises(AssertionError, match=r"there twice|are missing|vanished or changed|is gone and was not staged"):
        broken()


def test_a_store_that_overwrites_is_refused():
    Writer(Memory(), PLACES, "app").prove()
    with pytest.raises(Unusable, match="can't be told to create an object only where there is none"):
        Writer(Memory(overwrites=True), PLACES, "app").prove()


def test_a_role_that_may_not_write_the_state_is_a_mistake_of_the_flag(monkeypatch):
    denied = ClientError({"Error": {"Code": "AccessDenied", "Message": "not authorized"}}, "PutObject")
    store = Memory()
    monkeypatch.setattr(store, "create", lambda uri, data: (_ for _ in ()).throw(denied))
    with pytest.raises(Refused, match=r"--state: s3://b/table_state can't be used: .*not authorized"):
        Writer(store, PLACES, "app").prove()


def test_places_that_files_cannot_be_linked_between_are_refused(tmp_path):
    store = Local()
    Writer(store, Places(f"{tmp_path}/t", f"{tmp_path}/q", f"{tmp_path}/s"), "app").prove()
    with pytest.raises(Unusable, match="--quarantine: /dev/shm/q is not on the file system of --state"):
        Writer(store, Places(f"{tmp_path}/t", "/dev/shm/q", f"{tmp_path}/s"), "app").prove()


def test_a_second_driver_fences_the_first_and_is_named():
    store = Memory()
    first = claimed(store, "app-1")
    second = claimed(store, "app-2")
    with pytest.raises(Fenced, match=f"{second.id}.*app-2"):
        ingest(first, 3)
    with pytest.raises(Fenced, match="app-2"):
        first.resume(on)
    second.publish(ingest(second, 3))
    assert Reader(store).look() == Counter(range(3))


def test_a_batch_that_was_committed_is_published_by_the_next_driver():
    store = Memory()
    ingest(claimed(store), 4)
    assert not store.files(PLACES.table)
    claimed(store)
    assert Reader(store).look() == Counter(range(4))


def test_a_driver_that_publishes_too_late_leaves_the_files_to_their_owner():
    """Another driver has published its batch and gone on; what the owner has moved since isn't missing."""
    store = Memory()
    first = claimed(store)
    batch = ingest(first, 4)
    claimed(store, "app-2")
    store.discard(f"{PLACES.table}/{batch.files[0].final}")
    before = dict(store.objects)
    first.publish(batch)
    assert store.objects == before
    with pytest.raises(Fenced, match="app-2"):
        ingest(first, 6)


def test_a_driver_that_does_not_know_whether_its_record_was_created_finds_out():
    store = Memory()
    driver = claimed(store)
    create = store.create
    store.create = lambda uri, data: create(uri, data) and (_ for _ in ()).throw(TimeoutError)
    with pytest.raises(TimeoutError):
        ingest(driver, 4)
    store.create = create
    driver.resume(on)
    assert driver.positions == {"t": {0: 4}}
    assert Reader(store).look() == Counter(range(4))


def test_a_record_that_arrives_late_finds_its_number_taken():
    """The request timed out and was given up; the store applies it after the writer looked and went on."""
    store = Memory()
    driver = claimed(store)
    create, late = store.create, []
    store.create = lambda uri, data: late.append((uri, data)) or (_ for _ in ()).throw(TimeoutError)
    with pytest.raises(TimeoutError):
        ingest(driver, 4)
    store.create = create
    driver.resume(on)
    assert not store.create(*late[0])
    driver.publish(ingest(driver, 4))
    assert claimed(store).positions == {"t": {0: 4}}
    assert Reader(store).look() == Counter(range(4))


def test_a_probe_is_not_swept_away_from_under_another_driver():
    store = Memory()
    probing = Driver(lambda store: Writer(store, PLACES, "app").prove(), store)
    while not store.objects:
        probing.step()
    claimed(store)
    while not probing.ended:
        probing.step()
    assert probing.error is None and not store.files(f"{PLACES.state}/staging")


def test_a_probe_that_was_left_is_swept_away_in_time(monkeypatch):
    """Its driver was killed, or a request that was given up came late. A long check may begin its probe late itself."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    store = Memory()
    checking = Writer(store, PLACES, "app")
    now += 2 * 3600
    store.create(f"{checking.probe}/object", b"first")
    now += 59 * 60
    claimed(store)
    assert store.files(f"{PLACES.state}/staging")
    now += 2 * 60
    claimed(store)
    assert not store.files(f"{PLACES.state}/staging")


def test_files_that_were_published_once_may_be_removed_by_their_owner():
    """Retention, or a request to forget: a start doesn't ask for files that a claim after them says were there."""
    store = Memory()
    driver = claimed(store)
    driver.publish(ingest(driver, 4))
    claimed(store)
    store.delete(PLACES.table)
    assert claimed(store).positions == {"t": {0: 4}}


def test_a_late_sweep_leaves_a_newer_drivers_staging_alone():
    """A driver stopped right after its claim, woken when another has a batch committed but not published."""
    store = Memory()
    slow = Driver(drive(END, 0), store)
    while not any(ledger.number(entry.name) == 0 for entry in store.files(f"{PLACES.state}/ledger")):
        slow.step()
    newer = claimed(store)
    batch = ingest(newer, 4)
    while not slow.ended:
        slow.step()
    newer.publish(batch)
    assert Reader(store).look() == Counter(range(4))


def test_a_file_that_is_nowhere_stops_the_job_and_names_its_offsets():
    store = Memory()
    batch = ingest(claimed(store), 4)
    store.discard(f"{PLACES.state}/{batch.files[1].staged}")
    with pytest.raises(Unusable, match=r'00001-[0-9a-f]{8}\.parquet .* is gone.*"t": \{"0": \[0, 4\]\}'):
        claimed(store)


def test_a_full_table_without_a_ledger_is_refused():
    store = Memory()
    driver = claimed(store)
    driver.publish(ingest(driver, 4))
    store.delete(PLACES.state)
    with pytest.raises(Unusable, match=r"has files, but .* has no ledger"):
        claimed(store)


def test_what_a_claim_would_find_is_told_without_a_claim():
    store = Memory()
    looking = Writer(store, PLACES, "app")
    assert looking.found() is None and not store.objects
    driver = claimed(store)
    batch = ingest(driver, 4)
    before = dict(store.objects)
    assert looking.found() == batch and store.objects == before, "staged is as good as published"
    driver.publish(batch)
    assert looking.found() == batch
    store.discard(f"{PLACES.table}/{batch.files[0].final}")
    with pytest.raises(Unusable, match="is gone and was not staged"):
        looking.found()
    assert driver.begin(Start()), "nobody fenced it"
    assert looking.found().seq == driver.seq
    store.replace(f"{PLACES.state}/ledger/{ledger.name(batch.seq)}", b"{")
    with pytest.raises(Unreadable, match=r"000000000001\.json is damaged"):
        looking.found()


def test_no_claim_hides_a_batch_that_is_not_published():
    driver = claimed(Memory())
    batch = ingest(driver, 4)
    with pytest.raises(AssertionError, match="batch 1 is committed and not published"):
        driver.begin(Start())
    driver.publish(batch)
    assert driver.begin(Start())


def test_the_state_of_another_table_is_refused():
    store = Memory()
    claimed(store)
    other = Writer(store, Places("s3://b/other", PLACES.quarantine, PLACES.state), "app")
    with pytest.raises(Unusable, match=r"--table: the ledger .* belongs to s3://b/table, not to s3://b/other"):
        other.claim(on)
    spelled_otherwise = Writer(store, Places("s3a://b/table", PLACES.quarantine, PLACES.state), "app")
    spelled_otherwise.claim(on)


def test_a_lost_last_record_is_named():
    store = Memory()
    driver = claimed(store)
    driver.publish(ingest(driver, 3))
    store.discard(f"{PLACES.state}/ledger/{ledger.name(driver.seq)}")
    with pytest.raises(Unreadable, match=r"000000000001\.json is missing, though 'latest' .*rebuild"):
        claimed(store)


def test_an_idle_driver_finds_out_that_another_took_over():
    store = Memory()
    first = claimed(store, "app-1")
    first.look()
    second = claimed(store, "app-2")
    second.look()
    with pytest.raises(Fenced, match="app-2"):
        first.look()


@pytest.mark.parametrize("hint", [None, b"", b"7", b"not a number"])
def test_a_hint_that_is_missing_or_old_changes_nothing(hint):
    store = Memory()
    for upto in range(1, END):
        driver = claimed(store)
        driver.publish(ingest(driver, upto))
    at = f"{PLACES.state}/ledger/{ledger.HINT}"
    store.discard(at) if hint is None else store.replace(at, hint)
    assert claimed(store).positions == {"t": {0: END - 1}}


def test_a_missing_or_damaged_record_is_named_and_never_guessed():
    store = Memory()
    driver = claimed(store)
    for upto in (1, 2, 3):
        driver.publish(ingest(driver, upto))
    whole = dict(store.objects)
    store.discard(f"{PLACES.state}/ledger/{ledger.name(2)}")
    with pytest.raises(Unreadable, match=r"000000000002\.json is missing"):
        claimed(store)
    store.objects = whole
    at = f"{PLACES.state}/ledger/{ledger.name(3)}"
    store.replace(at, store.read(at)[:-20])
    with pytest.raises(Unreadable, match=r"000000000003\.json is damaged"):
        claimed(store)


def test_a_topic_that_is_not_read_for_a_while_is_remembered():
    store = Memory()
    driver = claimed(store)
    driver.publish(ingest(driver, 4))
    other = Writer(store, PLACES, "app")
    other.claim(lambda positions, ids: Start(positions={"other": {0: 5}}))
    assert other.positions == {"other": {0: 5}, "t": {0: 4}}


def test_a_partition_that_is_not_read_for_a_while_is_remembered():
    store = Memory()
    driver = claimed(store)
    driver.publish(ingest(driver, 4))
    other = Writer(store, PLACES, "app")
    other.claim(lambda positions, ids: Start(positions={"t": {1: 5}}))
    assert other.positions == {"t": {0: 4, 1: 5}}
