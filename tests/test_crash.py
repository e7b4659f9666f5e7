"""The job, killed with -9 at every point of its protocol, and started again by nobody but the test."""

import signal

import pytest

from tests.kit.dies import POINTS
from tests.kit.pipeline import Pipeline

TAKING_OVER = "half published by the next start"
EVERY = (*POINTS[: POINTS.index("half published")], TAKING_OVER, *POINTS[POINTS.index("half published") :])
SAMPLE = ("record response lost", TAKING_OVER, "half published")
COMMITTED = POINTS[POINTS.index("record response lost") :]
BATCH = 300


@pytest.mark.parametrize(
    "store, points",
    [
        pytest.param("s3", SAMPLE, id="s3, some points"),
        pytest.param("s3", EVERY, id="s3, every point", marks=pytest.mark.soak),
        pytest.param("local", EVERY, id="local, every point", marks=pytest.mark.soak),
    ],
)
def test_a_job_killed_at_any_point_goes_on_exactly(store, points, folder, broker, request, subtests):
    """Each start first ends what the killed one left, then begins its first batch and is killed at the next point."""
    pipeline = Pipeline(folder, broker, request.getfixturevalue("s3") if store == "s3" else None)
    pipeline.send((len(points) + 2) * BATCH)
    # A local checkpoint, for its many small files are slow on S3 and no part of the protocol.
    drain = ("--trigger", "available-now", "--max-records", str(BATCH), "--checkpoint", str(folder / "checkpoint"))
    with pipeline.oracle.watch() as oracle:
        committed = 0
        for point in points:
            with subtests.test(point=point):
                where = ("half published", "-1") if point == TAKING_OVER else (point, "0")
                died = pipeline.job.run(*drain, script=("tests/kit/dies.py", "ingest", *where))
                assert died == -signal.SIGKILL, pipeline.job.said()
                oracle.look()
                left = len(oracle.records()) - committed * BATCH
                expected = {"half published": range(1, BATCH), "all published": [BATCH], POINTS[-1]: [BATCH]}
                expected[TAKING_OVER] = range(1 - BATCH, 0)  # of the batch before
                assert left in expected.get(point, [0]), f"{left} rows of the batch that was cut short"
                assert not oracle.violations
            committed += point in COMMITTED
        assert pipeline.job.run(*drain) == 0, pipeline.job.said()
    pipeline.assert_exact()
    assert len(pipeline.batches()) == len(points) + 2
