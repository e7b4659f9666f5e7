"""Two drivers on one state: one that was stopped and goes on too late, and two that start at once."""

import os
import random
import signal
import threading

import pytest

from jobs.store import S3
from jobs.writer import Fenced
from tests.kit.dies import POINTS
from tests.kit.job import kill
from tests.kit.oracle import Oracle
from tests.kit.pipeline import Pipeline
from tests.kit.synthetic import Synthetic
from tests.test_ingest import DRAIN, EVERY_SECOND, FENCED, complete, ends, wait_until

pytestmark = pytest.mark.newest

BATCH = 300
ROUNDS = 4
SAMPLE = ("half published",)
PUBLISHED_BY_ANOTHER = POINTS[POINTS.index("record response lost") :]


def writers(pipeline: Pipeline) -> list[str]:
    """Every driver that made a record, in the order of their first ones."""
    return [*dict.fromkeys(record.writer for record in pipeline.records())]


def fencing(pipeline: Pipeline) -> str:
    """How the line begins with which a driver ends that the newest one has fenced."""
    newest = next(record for record in pipeline.records() if record.writer == writers(pipeline)[-1])
    return f"ingest.py: driver {newest.writer} ({newest.application} on {newest.host}) took {pipeline.state} over at "


def wakes(pipeline: Pipeline, zombie) -> None:
    """Whoever was stopped goes on, finds that the driver after it has taken over, and ends."""
    before = len(pipeline.job.said())
    os.killpg(zombie.pid, signal.SIGCONT)
    assert ends(zombie, pipeline.job) == FENCED, pipeline.job.said()[before:]
    said = [line for line in pipeline.job.said()[before:].splitlines() if line.startswith("ingest.py: ")]
    assert len(said) == 1 and said[0].startswith(fencing(pipeline)) and "Traceback" not in pipeline.job.said()


@pytest.mark.parametrize(
    ("store", "points"),
    [
        pytest.param("s3", SAMPLE, id="s3, some points"),
        pytest.param("s3", POINTS, id="s3, every point", marks=pytest.mark.soak),
        pytest.param("local", POINTS, id="local, every point", marks=pytest.mark.soak),
    ],
)
def test_a_driver_stopped_at_any_point_wakes_up_fenced(store, points, folder, broker, request, subtests):
    """Each start takes over from the one that is stopped, which wakes up; then it is stopped itself.

    What the stopped one had committed is its owner's by then, who moves a file of it: it doesn't come back.
    """
    pipeline = Pipeline(folder, broker, request.getfixturevalue("s3") if store == "s3" else None)
    flags = (*EVERY_SECOND, "--partition-by", "dt", "--checkpoint", str(folder / "checkpoint"))
    stopped = folder / "stopped"  # from outside a stop isn't seen while the JVM starts a process, `chmod` perhaps
    stopped.touch()
    drivers = []
    try:
        with pipeline.oracle.watch() as oracle:
            for n, point in enumerate([*points, None]):
                pipeline.send(BATCH)
                stops = ("tests/kit/dies.py", "--stop", str(stopped), "ingest", point, "1")
                stops = stops if point else ("jobs/ingest.py",)
                drivers.append(pipeline.job.start(*flags, script=stops))
                wait_until(complete(pipeline), pipeline.job)
                with subtests.test(stopped=points[n - 1] if n else None):
                    if n and points[n - 1] in PUBLISHED_BY_ANOTHER:
                        theirs = [batch for batch in pipeline.batches() if batch.writer == writers(pipeline)[-2]]
                        with oracle.without("table", theirs[-1].table_files[-1].final):
                            wakes(pipeline, drivers[-2])
                    elif n:
                        wakes(pipeline, drivers[-2])
                    assert not oracle.violations
                pipeline.send(BATCH)
                if point:
                    wait_until(lambda: len(stopped.read_text().splitlines()) == len(drivers), pipeline.job)
            wait_until(complete(pipeline), pipeline.job)
            drivers[-1].terminate()
            assert ends(drivers[-1], pipeline.job) == 0, pipeline.job.said()
    finally:
        for driver in drivers:
            kill(driver)
    pipeline.assert_exact()
    assert len(writers(pipeline)) == len(points) + 1


class Racer(Synthetic):
    """Claims at the same moment as another, and writes batches until that one has ended, or for long enough."""

    error: Exception | None = None

    def run(self, together: threading.Barrier, over: threading.Event) -> None:
        together.wait()
        try:
            self.claim()
            for _ in range(100):
                self.batch()
                if over.is_set():
                    break
        except Exception as error:
            self.error = error
        over.set()


@pytest.mark.parametrize("rounds", [5, pytest.param(100, marks=pytest.mark.soak)])
def test_of_two_writers_at_once_one_goes_on_round_after_round(rounds, folder, s3):
    """The job's own `Writer`, without Spark, in two threads that claim one ledger at the same moment."""
    for n in range(rounds):
        if n % 20 == 0:  # the reader looks at every file of a table again and again
            table = f"s3://{s3.bucket}/{folder.name}-{n}"
            reader = Oracle(folder / f"{n}", table, f"{table}_quarantine", s3.client())
        together, over = threading.Barrier(2), threading.Event()
        pair = [Racer(S3(s3.client()), table, folder / f"{which}.parquet") for which in range(2)]
        threads = [threading.Thread(target=driver.run, args=(together, over)) for driver in pair]
        with reader.watch():
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        (fenced,) = (driver for driver in pair if driver.error)
        (going,) = (driver for driver in pair if driver is not fenced)
        assert isinstance(fenced.error, Fenced) and f"driver {going.writer.id} " in str(fenced.error)
        reader.assert_exactly(("t", 0, offset) for offset in range(going.end))


@pytest.mark.soak
def test_of_two_drivers_at_once_one_goes_on_round_after_round(folder, broker, s3):
    """The real job: each round begins with a batch that is staged or half published, of drivers that were killed."""
    pipeline = Pipeline(folder, broker, s3)
    rng = random.Random(1)
    with pipeline.oracle.watch():
        for n in range(ROUNDS):
            pipeline.send(BATCH)
            at = ("tests/kit/dies.py", "ingest", rng.choice(("staged", "half published")), "0")
            assert pipeline.job.run(*EVERY_SECOND, script=at) == -signal.SIGKILL, pipeline.job.said()
            pipeline.send(BATCH)
            places = [("--checkpoint", str(folder / name)) for name in ("a", "b" if n % 2 else "a")]
            drivers = [pipeline.job.start(*EVERY_SECOND, *place) for place in places]
            try:
                wait_until(lambda: any(driver.poll() is not None for driver in drivers), pipeline.job)  # noqa: B023
                (fenced,) = (driver for driver in drivers if driver.poll() is not None)
                assert fenced.returncode == FENCED, pipeline.job.said()
                assert fencing(pipeline) in pipeline.job.said()
                wait_until(complete(pipeline), pipeline.job)
                assert [driver.poll() for driver in drivers if driver is not fenced] == [None]
            finally:
                for driver in drivers:
                    kill(driver)
    assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    pipeline.assert_exact()
