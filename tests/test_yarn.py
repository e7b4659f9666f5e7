"""The step that `python -m emr render ec2-step` prints, run as it is on a real YARN."""

import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

from tests.kit.job import ROOT, kill
from tests.kit.pipeline import Pipeline
from tests.kit.yarn import Yarn
from tests.test_ingest import complete, ends, wait_until

RELEASE = "emr-spark-8.1.0"


@pytest.fixture
def yarn(folder, s3):
    with Yarn(folder / "yarn", s3) as yarn:
        yield yarn


def emr(*words: str, environment) -> str:
    """What `python -m emr …` says on its standard output."""
    command = [sys.executable, "-m", "emr", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def test_the_rendered_step_runs_survives_its_driver_and_stops_when_asked(folder, broker, s3, yarn):
    """One application; its first driver is killed with -9 in mid-batch, its second ends by the marker."""
    pipeline = Pipeline(folder, broker, s3, transform="transforms.raw:raw")
    pipeline.send(300)
    packaged = ("package", "--release", RELEASE, "--dist", str(folder / "dist"), "--to", f"s3://{s3.bucket}/code")
    artefacts = emr(*packaged, environment=yarn.environment).strip()
    flags = [*pipeline.job.flags, "--trigger", "1s"]
    rendered = emr("render", "ec2-step", "--release", RELEASE, "--artefacts", artefacts, "--region", "us-east-1",
                   "--size", "xs", "--", *flags, environment=yarn.environment)  # fmt: skip
    (step,) = json.loads(rendered)["Steps"]
    arguments = step["HadoopJarStep"]["Args"]
    log = pipeline.job.log.open("wb")
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    submit = subprocess.Popen(arguments, env=yarn.environment | {"PATH": path}, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        with pipeline.oracle.watch():
            wait_until(complete(pipeline), pipeline.job)
            (first,) = yarn.masters()
            pipeline.send(300)
            wait_until(lambda: pipeline.oracle.store.folders(f"{pipeline.state}/staging"), pipeline.job)
            os.kill(yarn.process(first), signal.SIGKILL)
            pipeline.send(300)
            wait_until(complete(pipeline), pipeline.job)
            pipeline.oracle.store.replace(f"{pipeline.state}/stop", b"")
            assert ends(submit, pipeline.job) == 0, yarn.said()
    finally:
        kill(submit)
    assert yarn.succeeded() == 1
    assert len(yarn.masters()) == 2
    pipeline.oracle.assert_exactly(pipeline.sent)
    pipeline.assert_ledger_is_true()
