"""The job on executors that are processes of their own: one dies in mid-batch, one comes late."""

import os
import re
import signal

import pytest

from tests.kit.job import kill
from tests.kit.pipeline import Pipeline
from tests.kit.standalone import Standalone
from tests.test_ingest import complete, ends, wait_until

DRAIN = ("--trigger", "available-now")
STRAGGLES = "tests.kit.odd:straggles"


@pytest.fixture(scope="module")
def cluster(broker, tmp_path_factory):
    """Behind the broker, whose fixture makes the archive of Spark's classes."""
    with Standalone(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def straggler(folder):
    """Where the first attempt at the first batch says that it waits, with files of several hours begun."""
    (folder / "straggler").mkdir()
    return folder / "straggler"


def test_a_batch_whose_executor_is_killed_while_it_stages_is_there_once(folder, broker, cluster, straggler):
    pipeline = Pipeline(folder, broker, transform=STRAGGLES)
    pipeline.send(300)
    pipeline.job.environment["STRAGGLER"] = str(straggler)
    job = pipeline.job.start(*DRAIN, script=(*cluster.submit(), "jobs/ingest.py"))
    try:
        with pipeline.oracle.watch():
            wait_until((straggler / "first").is_symlink, pipeline.job)
            executor = os.readlink(straggler / "first")
            assert any(pipeline.oracle.store.files(f"{pipeline.state}/staging"))
            os.kill(cluster.executor(executor), signal.SIGKILL)
            assert ends(job, pipeline.job) == 0, pipeline.job.said()
    finally:
        kill(job)
    assert f"Lost executor {executor} " in pipeline.job.said()
    assert f"executor {executor}): ExecutorLostFailure" in pipeline.job.said()
    pipeline.assert_exact()
    assert len(pipeline.batches()) == 1


def test_a_straggler_that_ends_after_its_batch_is_published_changes_nothing(folder, broker, cluster, s3, straggler):
    """Spark starts a second attempt, and its files are published; what the first leaves goes at the next start."""
    pipeline = Pipeline(folder, broker, s3, transform=STRAGGLES)
    pipeline.send(300)
    pipeline.job.environment["STRAGGLER"] = str(straggler)
    speculation = ("spark.speculation=true", "spark.speculation.task.duration.threshold=1s")
    job = pipeline.job.start("--trigger", "1s", script=(*cluster.submit(*speculation), "jobs/ingest.py"))
    try:
        with pipeline.oracle.watch():
            wait_until(complete(pipeline), pipeline.job)
            executor = os.readlink(straggler / "first")
            late = re.compile(rf"Lost task 0\.\d in stage .* executor {executor}\): TaskKilled")
            wait_until(lambda: not pipeline.oracle.store.folders(f"{pipeline.state}/staging"), pipeline.job)
            assert not late.search(pipeline.job.said())
            (straggler / "gate").write_text("open")
            wait_until(lambda: late.search(pipeline.job.said()), pipeline.job)
            assert pipeline.oracle.store.folders(f"{pipeline.state}/staging")
            job.terminate()
            assert ends(job, pipeline.job) == 0, pipeline.job.said()
            assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    finally:
        kill(job)
    pipeline.assert_exact()
    assert len(pipeline.batches()) == 1
