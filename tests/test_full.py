"""No room left: on the disk of the table, on the disk that Spark works on, in the driver's memory."""

import base64
import os
import random

import pytest

from jobs.store import Local
from tests.kit.disk import Disk
from tests.kit.events import Event
from tests.kit.job import kill
from tests.kit.oracle import Oracle
from tests.kit.pipeline import START_MS, Pipeline
from tests.kit.synthetic import Synthetic
from tests.test_ingest import DRAIN, EVERY_SECOND, complete, ends, wait_until

pytestmark = pytest.mark.newest

AGAIN, OUT_OF_MEMORY = 1, 52  # ours, and Spark's own


@pytest.fixture
def disk(folder):
    with Disk(folder / f"{folder.name}-disk") as disk:
        yield disk


@pytest.mark.parametrize("what", ["pages", "files"])
def test_a_disk_that_fills_up_at_any_write_costs_nothing(what, disk, folder):
    """The job's own `Writer`, without Spark: there is room for so much, then for all."""
    failed = []
    for left in range(40):
        root = disk.folder / str(left)
        reader = Oracle(folder, f"{root}/table", f"{root}/table_quarantine")
        disk.fill(left * 4096) if what == "pages" else disk.fill_up_files(left)
        first = Synthetic(Local(), f"{root}/table", folder / "first.parquet")
        try:
            first.claim()
            first.batch()
            first.batch()
        except OSError as error:
            failed.append(str(error))
        reader.look()
        disk.empty()
        second = Synthetic(Local(), f"{root}/table", folder / "second.parquet")
        second.claim()
        second.batch()
        reader.assert_exactly(("t", 0, offset) for offset in range(second.end))
        assert not [path for path in root.rglob(".*")] and not [*root.glob("table_state/staging/*")]
    assert 5 < len(failed) < 40 and all("No space left on device: '/" in said for said in failed)


def says(pipeline: Pipeline, words: str) -> bool:
    """Whether the job's own last line has `words` in it."""
    lines = [line for line in pipeline.job.said().splitlines() if line.startswith("ingest.py: ")]
    return bool(lines) and words in lines[-1]


def on(disk: Disk, folder, broker) -> Pipeline:
    """Table, quarantine and state on the small disk; what the job says is elsewhere."""
    pipeline = Pipeline(disk.folder, broker)
    pipeline.job.log = folder / "job.log"
    return pipeline


@pytest.mark.soak
@pytest.mark.parametrize("left", ["0 KiB", "24 KiB", "48 KiB"])
def test_a_job_whose_table_has_no_room_says_so_and_goes_on_with_room(left, disk, folder, broker):
    """It ends before it claims, or in the middle of its batch."""
    pipeline = on(disk, folder, broker)
    with pipeline.oracle.watch():
        pipeline.send(300)
        assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
        pipeline.send(300)
        disk.fill(int(left.split()[0]) * 1024)
        assert pipeline.job.run(*DRAIN) == AGAIN, pipeline.job.said()
        assert says(pipeline, "No space left on device"), pipeline.job.said()
        disk.empty()
        assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    pipeline.assert_exact()


@pytest.mark.soak
def test_a_running_job_waits_a_while_for_room(disk, folder, broker):
    pipeline = on(disk, folder, broker)
    pipeline.send(300)
    job = pipeline.job.start(*EVERY_SECOND)
    try:
        with pipeline.oracle.watch():
            wait_until(complete(pipeline), pipeline.job)
            disk.fill()
            pipeline.send(300)
            wait_until(lambda: '"event": "restarted", "deaths": 2' in pipeline.job.said(), pipeline.job)
            disk.empty()
            wait_until(complete(pipeline), pipeline.job)
            job.terminate()
            assert ends(job, pipeline.job) == 0, pipeline.job.said()
    finally:
        kill(job)
    pipeline.assert_exact()


@pytest.mark.soak
def test_a_full_disk_below_s3_ends_the_job_in_one_line(disk, folder, broker, s3):
    """S3A keeps on a local disk what it uploads."""
    pipeline = Pipeline(folder, broker, s3)
    drain = (*DRAIN, "--checkpoint", str(folder / "checkpoint"))
    pipeline.send(300)
    disk.fill()
    with pipeline.oracle.watch():
        uploads = ("--conf", f"spark.hadoop.fs.s3a.buffer.dir={disk.folder}", "jobs/ingest.py")
        assert pipeline.job.run(*drain, script=uploads) == AGAIN, pipeline.job.said()
        assert says(pipeline, "Could not find any valid local directory for s3ablock"), pipeline.job.said()
        disk.empty()
        assert pipeline.job.run(*drain, script=uploads) == 0, pipeline.job.said()
    pipeline.assert_exact()


@pytest.mark.soak
def test_the_disk_that_spark_works_on_is_needed_at_the_start_only(disk, folder, broker):
    pipeline = Pipeline(folder, broker)
    works = ("--conf", f"spark.local.dir={disk.folder}", "jobs/ingest.py")
    pipeline.send(300)
    job = pipeline.job.start(*EVERY_SECOND, script=works)
    try:
        with pipeline.oracle.watch():
            wait_until(complete(pipeline), pipeline.job)
            disk.fill()
            pipeline.send(300)
            wait_until(complete(pipeline), pipeline.job)
            job.terminate()
            assert ends(job, pipeline.job) == 0, pipeline.job.said()
            pipeline.send(300)
            disk.fill()
            assert pipeline.job.run(*DRAIN, script=works) == AGAIN, pipeline.job.said()
            assert says(pipeline, "Spark doesn't start: IOException: No space left on device"), pipeline.job.said()
            disk.empty()
            assert pipeline.job.run(*DRAIN, script=works) == 0, pipeline.job.said()
    finally:
        kill(job)
    pipeline.assert_exact()


@pytest.mark.soak
def test_a_driver_out_of_memory_dies_whole_and_goes_on_with_memory(folder, broker):
    """A batch of 600 MB, with a file of each hour of a day open, is more than the heap holds."""
    pipeline = Pipeline(folder, broker)
    noise = random.Random(1)
    for _ in range(25):
        values = [b"id-" + base64.b64encode(noise.randbytes(750_000)) for _ in range(24)]
        pipeline.send_events([Event(b"k", value, [], START_MS + n * 3_600_000, None) for n, value in enumerate(values)])
    job = pipeline.job.start(*DRAIN, script=("--driver-memory", "480m", "jobs/ingest.py"))
    try:
        with pipeline.oracle.watch():
            assert ends(job, pipeline.job) == OUT_OF_MEMORY, pipeline.job.said()[-3000:]
            wait_until(lambda: not alive(job), pipeline.job)
            assert "java.lang.OutOfMemoryError: Java heap space" in pipeline.job.said()
            assert pipeline.batches() == []
            smaller = (*DRAIN, "--max-records", "30", "--partition-by", "dt")
            assert pipeline.job.run(*smaller) == 0, pipeline.job.said()
    finally:
        kill(job)
    pipeline.assert_exact()


def alive(process) -> bool:
    """Whether anything of the job's process group is left."""
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
