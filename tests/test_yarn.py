"""The step that `python -m emr render ec2-step` prints, run as it is on a real YARN."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emr import stop
from emr.__main__ import main
from jobs.ledger import Claim
from tests.kit.job import LINE, ROOT, kill
from tests.kit.pipeline import Pipeline
from tests.kit.steps import Steps
from tests.kit.yarn import Yarn
from tests.test_ingest import complete, wait_until

RELEASE = ("--release", {"4.1": "emr-spark-8.1.0", "3.5": "emr-7.14.0"}[LINE])


@pytest.fixture
def yarn(folder, s3):
    with Yarn(folder / "yarn", s3) as yarn:
        yield yarn


def emr(yarn: Yarn, *words: str) -> str:
    """What `python -m emr …` prints on a machine of the cluster."""
    command = [sys.executable, "-m", "emr", *words]
    return subprocess.run(command, cwd=ROOT, env=yarn.environment, stdout=subprocess.PIPE, text=True, check=True).stdout


def package(yarn: Yarn) -> str:
    """The list of the job's files, which are on S3."""
    place = f"s3://{yarn.s3.bucket}/code"
    return emr(yarn, "package", *RELEASE, "--dist", str(yarn.folder / "dist"), "--to", place).strip()


def step(yarn: Yarn, flags: list[str]) -> list[str]:
    """What the rendered step has EMR run."""
    where = ("--artefacts", package(yarn), "--region", yarn.environment["AWS_REGION"])
    request = json.loads(emr(yarn, "render", "ec2-step", *RELEASE, *where, "--size", "xs", "--", *flags))
    return request["Steps"][0]["HadoopJarStep"]["Args"]


@pytest.fixture
def does(yarn, monkeypatch):
    """A function: runs a verb for steps of the cluster, and gives its exit code."""
    uploaded = package(yarn)
    for name, value in yarn.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(stop, "LOOK_EVERY", 1)
    logs = f"s3://{yarn.s3.bucket}/logs"
    account = ("--size", "xs", "--cluster-id", "j-1ABC", "--log-uri", logs, "--artefacts", uploaded)
    with Steps(yarn) as steps:
        steps.release = RELEASE[1]
        yield lambda verb, *flags, at=(): main([verb, "ec2-step", *RELEASE, *account, *at, "--", *flags])


@pytest.mark.soak
def test_the_rendered_step_survives_its_driver_and_ends_when_asked(folder, broker, s3, yarn):
    """The driver is killed with -9 in mid-batch, YARN starts another, and the marker ends that one well."""
    pipeline = Pipeline(folder, broker, s3, transform="transforms.raw:raw")
    pipeline.send(300)
    arguments = step(yarn, [*pipeline.job.flags, "--trigger", "1s"])
    submitted = yarn.submit(arguments)
    try:
        with pipeline.oracle.watch():
            wait_until(complete(pipeline), yarn)
            (first,) = yarn.masters()
            pipeline.send(300)
            wait_until(lambda: pipeline.oracle.store.folders(f"{pipeline.state}/staging"), yarn)
            os.kill(yarn.process(first), signal.SIGKILL)
            pipeline.send(300)
            wait_until(complete(pipeline), yarn)
            pipeline.oracle.store.replace(f"{pipeline.state}/stop", b"")
            wait_until(lambda: submitted.poll() is not None, yarn)
    finally:
        kill(submitted)
    assert submitted.returncode == 0 and yarn.succeeded() == 1, yarn.said()
    assert len(yarn.masters()) == len({claim.writer for claim in pipeline.records() if isinstance(claim, Claim)}) == 2
    pipeline.oracle.assert_exactly(pipeline.sent)
    table = {
        tuple(row[:3]): row[3:] for row in pipeline.oracle.select("table", "_topic, _partition, _offset, key, value")
    }
    assert table == {at: (event.key, event.value) for at, event in pipeline.sent.items()}
    pipeline.assert_ledger_is_true()


def ended(code: int, said: str) -> bool:
    """Whether `status` tells of a last run that has ended well."""
    assert code == 0, said
    return "COMPLETED" in said.splitlines()[0]


@pytest.mark.soak
def test_a_job_is_submitted_upgraded_and_stopped_even_if_it_does_not_hear(folder, broker, s3, yarn, does, capsys):
    """The second version is stopped with SIGSTOP, so that only YARN can end it; a third run goes on exactly."""
    pipeline = Pipeline(folder, broker, s3, transform="transforms.raw:raw")
    flags = pipeline.job.flags
    pipeline.send(300)
    with pipeline.oracle.watch():
        assert does("submit", *flags, "--trigger", "1s") == 0
        wait_until(complete(pipeline), yarn)
        assert does("submit", *flags, "--trigger", "2s") == 1
        assert "`upgrade` or `stop` it" in capsys.readouterr().err
        assert does("upgrade", *flags, "--trigger", "2s") == 0
        assert "cancelling" not in capsys.readouterr().out and yarn.succeeded() == 1
        pipeline.send(300)
        wait_until(complete(pipeline), yarn)
        driver = yarn.process(yarn.masters()[-1])
        os.kill(driver, signal.SIGSTOP)
        assert does("status", *flags, "--trigger", "2s") == 0
        assert does("stop", *flags, "--trigger", "2s", at=("--grace", "5s")) == 0
        assert "cancelling" in capsys.readouterr().out
        wait_until(lambda: not Path(f"/proc/{driver}").exists(), yarn)
        pipeline.send(300)
        assert does("submit", *flags, "--trigger", "available-now") == 0
        capsys.readouterr()
        wait_until(lambda: ended(does("status", *flags), capsys.readouterr().out), yarn)
    assert len(yarn.masters()) == 3
    pipeline.oracle.assert_exactly(pipeline.sent)
    pipeline.assert_ledger_is_true()
