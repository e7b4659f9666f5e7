"""Submitting, watching, stopping and upgrading the job on each platform, against an EMR that takes nothing wrong."""

import gzip
import json
import subprocess

import pytest

from emr import model, runs, stop
from emr.__main__ import main
from emr.runs import killing
from tests.kit.emr import Emr, uploaded

NEEDED = {
    "CLUSTER_ID": "j-1ABC",
    "APPLICATION_ID": "00fabc",
    "VIRTUAL_CLUSTER_ID": "vc1",
    "JOB_ROLE_ARN": "arn:aws:iam::111122223333:role/job",
    "LOG_URI": "s3://floodmark/logs",
}
JOB = ("--bootstrap-servers", "b:9092", "--topics", "orders", "--transform", "transforms.raw:raw")
TARGETS = ("ec2-step", "eks", "serverless")
STATES = (("emr-containers", "JobRunState"), ("emr-serverless", "JobRunState"))


class Clock:
    """Time that passes only when somebody sleeps; `then` is done after each sleep."""

    def __init__(self):
        self.now, self.then = 0.0, lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.then()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stop, "time", clock)
    return clock


@pytest.fixture
def emr(s3, tmp_path, monkeypatch, clock):
    """The platforms; the account's things and the uploaded files are in the environment."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    for name, value in NEEDED.items():
        monkeypatch.setenv(f"FLOODMARK_{name}", value)
    monkeypatch.setenv("FLOODMARK_ARTEFACTS", str(uploaded(tmp_path, "1")))
    with Emr() as emr:
        emr.table = f"s3://{s3.bucket}/{tmp_path.name}"
        emr.marker = f"{tmp_path.name}_state/stop"
        yield emr


@pytest.fixture
def does(emr, capsys):
    """A function: runs a verb; the exit code and what was printed."""

    def run(verb: str, target: str, *words: str) -> tuple[int, str]:
        code = main([verb, target, *words, "--", *JOB, "--table", emr.table])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out + said.err

    return run


def markers(s3, emr) -> int:
    return s3.client().list_objects_v2(Bucket=s3.bucket, Prefix=emr.marker)["KeyCount"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_job_is_submitted_once_however_often_it_is_asked_for(target, emr, does):
    code, said = does("submit", target)
    assert code == 0 and next(iter(emr.runs)) in said and "logs: s3://floodmark/logs/" in said
    code, said = does("submit", target)
    assert code == 0 and "runs already" in said and len(emr.runs) == 1


@pytest.mark.parametrize("target", ["eks", "serverless"])
def test_a_start_whose_answer_was_lost_is_not_made_twice(target, emr, does, monkeypatch):
    monkeypatch.setattr(Emr, "ListJobRuns", lambda self, params: {"jobRuns": []})  # it isn't listed yet either
    does("submit", target)
    does("submit", target)
    assert len(emr.runs) == 1 and [name for name, _ in emr.asked].count("StartJobRun") == 2


@pytest.mark.parametrize("target", TARGETS)
def test_a_job_that_has_ended_starts_again(target, emr, does):
    does("submit", target)
    emr.ends("COMPLETED" if target != "serverless" else "SUCCESS")
    assert does("submit", target)[0] == 0 and len(emr.runs) == 2


@pytest.mark.parametrize("target", TARGETS)
def test_another_version_beside_one_that_runs_is_refused(target, emr, does, tmp_path):
    does("submit", target)
    code, said = does("submit", target, "--artefacts", str(uploaded(tmp_path, "2")))
    assert code == 1 and "`upgrade` or `stop`" in said and said.count("\n") == 1 and len(emr.runs) == 1


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_missing_is_refused_before_anything_is_sent(target, emr, does, monkeypatch):
    monkeypatch.delenv("FLOODMARK_ARTEFACTS")
    code, said = does("submit", target)
    assert code == 2 and "--artefacts or FLOODMARK_ARTEFACTS is missing" in said and not emr.asked


@pytest.mark.parametrize("verb", ["submit", "upgrade"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_dry_run_prints_the_request_and_sends_nothing(target, verb, emr, does):
    code, said = does(verb, target, "--dry-run")
    assert code == 0 and json.loads(said) and not emr.asked


@pytest.mark.parametrize(("state", "code"), [("RUNNING", 0), ("PENDING", 0), ("FAILED", 1), ("CANCELLED", 1)])
@pytest.mark.parametrize("target", TARGETS)
def test_status_tells_a_scheduler_how_it_stands(target, state, code, emr, does):
    assert does("status", target)[0] == 1
    does("submit", target)
    emr.ends(state)
    found, said = does("status", target)
    assert found == code and state in said and next(iter(emr.runs)) in said and "2026-11-01" in said


@pytest.mark.parametrize("target", TARGETS)
def test_a_job_that_hears_the_marker_ends_without_a_cancel(target, emr, does, s3, clock):
    does("submit", target)
    seen = []

    def obeys():
        seen.append(markers(s3, emr))
        emr.ends("COMPLETED")

    clock.then = obeys
    code, said = does("stop", target)
    assert code == 0 and seen == [1] and "cancelling" not in said
    assert not [name for name, _ in emr.asked if name.startswith("Cancel")] and markers(s3, emr) == 0


@pytest.mark.parametrize("target", TARGETS)
def test_a_job_that_does_not_hear_is_cancelled_after_the_grace(target, emr, does, s3, clock):
    does("submit", target)
    code, said = does("stop", target, "--grace", "60s")
    assert code == 0 and "cancelling" in said and clock.now == 60 and markers(s3, emr) == 0
    assert next(iter(emr.runs.values()))["state"] == "CANCELLED"
    if target == "serverless":
        cancel = next(request for name, request in emr.asked if name == "CancelJobRun")
        assert cancel["shutdownGracePeriodInSeconds"] == 60


@pytest.mark.parametrize("verb", ["submit", "upgrade"])
@pytest.mark.parametrize("target", TARGETS)
def test_a_run_that_is_being_cancelled_is_not_taken_for_one_that_runs(target, verb, emr, does):
    does("submit", target)
    emr.ends("CANCELLING" if target == "serverless" else "CANCEL_PENDING")
    code, said = does(verb, target)
    assert code == 1 and "is being cancelled: ask again" in said and len(emr.runs) == 1


@pytest.mark.parametrize("target", TARGETS)
def test_a_run_that_is_being_cancelled_is_only_waited_for(target, emr, does):
    does("submit", target)
    emr.cancelled(next(iter(emr.runs)))
    assert does("stop", target)[0] == 0
    assert not [name for name, _ in emr.asked if name.startswith("Cancel")]


@pytest.mark.parametrize("target", TARGETS)
def test_what_waits_is_cancelled_before_what_runs_is_asked_to_end(target, emr, does, clock):
    """Else it would begin when the first has ended, and take the marker for its own or miss it."""
    does("submit", target)
    first = next(iter(emr.runs))
    emr.started("00002", emr.runs[first]["name"], emr.runs[first]["sent"])
    emr.ends("PENDING")
    clock.then = lambda: emr.ends("COMPLETED", first)
    assert does("stop", target)[0] == 0
    assert [run["state"] for run in emr.runs.values()][:2] == ["COMPLETED", "CANCELLED"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_marker_that_an_earlier_stop_left_ends_no_later_run(target, emr, does, s3):
    for verb in ("submit", "stop"):
        s3.client().put_object(Bucket=s3.bucket, Key=emr.marker, Body=b"")
        if verb == "stop":
            emr.ends("COMPLETED")
        assert does(verb, target)[0] == 0 and markers(s3, emr) == 0


def test_a_step_that_began_before_its_cancel_is_killed_too(emr, does, monkeypatch):
    does("submit", "ec2-step")
    emr.ends("PENDING")
    cancel = Emr.CancelSteps

    def too_late(self, params):
        self.waited.clear()
        return cancel(self, params)

    monkeypatch.setattr(Emr, "CancelSteps", too_late)
    assert does("stop", "ec2-step")[0] == 0 and emr.yarn == set()


def test_beside_an_application_whose_step_was_cancelled_nothing_is_submitted(emr, does):
    does("submit", "ec2-step")
    emr.ends("CANCELLED")
    code, said = does("submit", "ec2-step")
    assert code == 1 and "`stop` it" in said and len(emr.runs) == 1
    assert does("stop", "ec2-step")[0] == does("submit", "ec2-step")[0] == 0
    emr.ends("COMPLETED")
    code, said = does("stop", "ec2-step")
    assert "nothing runs" in said and len(emr.runs) == 3


def test_the_killing_step_fails_where_yarn_does_not_answer(tmp_path):
    yarn = tmp_path / "yarn"
    yarn.write_text("#!/bin/sh\nexit 1\n")
    yarn.chmod(0o755)
    words = killing("floodmark-x")["HadoopJarStep"]["Args"]
    found = subprocess.run(words, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert found.returncode != 0
    yarn.write_text("#!/bin/sh\nexit 0\n")
    assert subprocess.run(words, env={"PATH": f"{tmp_path}:/usr/bin:/bin"}).returncode == 0


def test_another_template_is_another_version(emr, does):
    does("submit", "eks", "--job-template-id", "a")
    assert "runs already" in does("upgrade", "eks", "--job-template-id", "a")[1]
    emr_then = len(emr.runs)
    code, _ = does("upgrade", "eks", "--job-template-id", "b", "--grace", "10s")
    assert code == 0 and len(emr.runs) == emr_then + 1


def test_each_version_of_the_job_has_one_template(emr, does):
    ids = [does("submit", "eks-template", *words)[1].split()[0] for words in ((), (), ("--size", "s"), ("--size", "s"))]
    assert ids == ["template1", "template1", "template2", "template2"]


@pytest.mark.parametrize(("service", "shape"), [("emr", "StepState"), *STATES])
def test_every_state_that_aws_has_means_something(service, shape):
    known = model.models().get_service_model(service).shape_for(shape).enum
    meanings = (runs.WAITING, runs.RUNNING, runs.ENDING, runs.ENDED_WELL, runs.ENDED_BADLY)
    assert all(sum(state in meaning for meaning in meanings) == 1 for state in known), known


@pytest.mark.parametrize("verb", ["submit", "upgrade"])
@pytest.mark.parametrize("target", ["ec2-step", "serverless"])
def test_files_for_another_release_than_what_is_there_are_not_sent(target, verb, emr, does):
    does("submit", target)
    emr.release = "emr-7.14.0"
    code, said = does(verb, target)
    assert code == 1 and "has emr-7.14.0, not emr-spark-8.1.0" in said and len(emr.runs) == 1
    assert not [name for name, _ in emr.asked if name.startswith("Cancel")]


def test_ctrl_c_is_one_line(emr, does, clock, s3):
    does("submit", "eks")

    def interrupted():
        raise KeyboardInterrupt

    clock.then = interrupted
    code, said = does("stop", "eks")
    assert code == 130 and said.splitlines()[-1].startswith("stop: given up") and markers(s3, emr) == 0


def test_two_steps_submitted_at_once_are_said(emr, does, monkeypatch):
    steps = iter([{"Steps": []}])
    listed = Emr.ListSteps
    does("submit", "ec2-step")
    monkeypatch.setattr(Emr, "ListSteps", lambda self, params: next(steps, None) or listed(self, params))
    code, said = does("submit", "ec2-step")
    assert code == 1 and "submitted" in said and "was started at the same time" in said


def test_logs_that_nobody_said_the_place_of_are_not_looked_for_in_the_example(emr, does, monkeypatch):
    does("submit", "ec2-step")
    monkeypatch.delenv("FLOODMARK_LOG_URI")
    emr.log_uri = ""
    code, said = does("logs", "ec2-step")
    assert code == 2 and said.startswith("--log-uri: is missing")


def test_on_ec2_the_application_is_killed_after_its_step_was_cancelled(emr, does):
    does("submit", "ec2-step")
    tag = next(iter(emr.runs.values()))["name"]
    assert emr.yarn == {tag}
    assert does("stop", "ec2-step", "--grace", "10s")[0] == 0
    acted = [name for name, _ in emr.asked if name in ("CancelSteps", "AddJobFlowSteps")]
    assert emr.yarn == set() and acted == ["AddJobFlowSteps", "CancelSteps", "AddJobFlowSteps"]


def test_an_application_whose_step_somebody_cancelled_by_hand_is_killed_too(emr, does):
    does("submit", "ec2-step")
    emr.ends("CANCELLED")
    assert emr.yarn
    assert does("stop", "ec2-step")[0] == 0 and emr.yarn == set()


def test_a_step_that_still_waits_is_cancelled_and_nothing_killed(emr, does):
    does("submit", "ec2-step")
    emr.ends("PENDING")
    assert does("stop", "ec2-step")[0] == 0
    assert [name for name, _ in emr.asked].count("AddJobFlowSteps") == 1


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_to_stop_is_no_error_and_leaves_no_marker(target, emr, does, s3):
    code, said = does("stop", target)
    assert code == 0 and "nothing runs" in said and markers(s3, emr) == 0


@pytest.mark.parametrize("target", TARGETS)
def test_a_platform_that_does_not_cancel_is_said_and_no_marker_stays(target, emr, does, s3):
    does("submit", target)
    emr.deaf = True
    code, said = does("stop", target, "--grace", "10s")
    assert code == 1 and "is still RUNNING after 600 seconds" in said and markers(s3, emr) == 0


@pytest.mark.parametrize("target", TARGETS)
def test_a_dry_stop_stops_nothing(target, emr, does, s3):
    does("submit", target)
    code, said = does("stop", target, "--dry-run")
    assert code == 0 and next(iter(emr.runs)) in said and markers(s3, emr) == 0
    assert next(iter(emr.runs.values()))["state"] == "RUNNING"


@pytest.mark.parametrize("target", TARGETS)
def test_an_upgrade_starts_the_new_version_after_the_old_has_ended(target, emr, does, tmp_path, clock):
    does("submit", target)
    clock.then = lambda: emr.ends("COMPLETED")
    code, said = does("upgrade", target, "--artefacts", str(uploaded(tmp_path, "2")))
    assert code == 0 and "submitted" in said
    assert [run["state"] for run in emr.runs.values()] == ["COMPLETED", "RUNNING"]
    code, said = does("upgrade", target, "--artefacts", str(uploaded(tmp_path, "2")))
    assert code == 0 and "runs already" in said and len(emr.runs) == 2


@pytest.mark.parametrize("target", TARGETS)
def test_an_upgrade_submits_nothing_when_the_old_version_does_not_end(target, emr, does, tmp_path):
    does("submit", target)
    emr.deaf = True
    code, _ = does("upgrade", target, "--grace", "10s", "--artefacts", str(uploaded(tmp_path, "2")))
    assert code == 1 and "2" * 16 not in json.dumps([run["sent"] for run in emr.runs.values()])


@pytest.mark.parametrize("target", TARGETS)
def test_an_upgrade_of_two_that_run_at_once_is_refused(target, emr, does):
    does("submit", target)
    name, sent = (next(iter(emr.runs.values()))[key] for key in ("name", "sent"))
    emr.started("00002", name, sent)
    code, said = does("upgrade", target)
    assert code == 1 and "run at once" in said and len(emr.runs) == 2


CONTAINERS = "j-1ABC/containers/application_1700000000000_0007/container_1700000000000_0007_0"
DRIVER = {
    "ec2-step": f"{CONTAINERS}2_000001/stderr.gz",
    "eks": "vc1/jobs/{id}/containers/spark-1/spark-1-driver/stdout.gz",
    "serverless": "applications/00fabc/jobs/{id}/SPARK_DRIVER/stdout.gz",
}


@pytest.mark.parametrize("target", TARGETS)
def test_logs_lists_the_files_and_prints_the_drivers_last_lines(target, emr, does, s3):
    does("submit", target)
    place = f"logs/{DRIVER[target].format(id=next(iter(emr.runs)))}"
    step = f"logs/j-1ABC/steps/{next(iter(emr.runs))}/stderr.gz"
    files = {place: b"first\nlast\n", step: b"Submitted application application_1700000000000_0007\n"}
    executor = f"logs/{CONTAINERS}2_000002/stderr.gz"
    for key, lines in (files | {executor: b"an executor\n"}).items():
        s3.client().put_object(Bucket=s3.bucket, Key=key, Body=gzip.compress(lines))
    code, said = does("logs", target, "--tail", "1")
    assert code == 0 and f"s3://{s3.bucket}/{place}" in said
    assert "last\n" in said and not any(line in said for line in ("first", "an executor\n", "Submitted"))
    assert (executor in said) == (step in said) == (target == "ec2-step")
    for key in (place, step):
        s3.client().delete_object(Bucket=s3.bucket, Key=key)
    assert "nothing yet at s3://floodmark/logs/" in does("logs", target)[1]


def test_a_target_that_has_no_runs_is_no_target_of_these_verbs(does, emr):
    for verb in ("status", "logs", "stop", "upgrade"):
        code, said = does(verb, "bucket-lifecycle")
        assert code == 2 and said.count("\n") == 1
