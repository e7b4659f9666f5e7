"""The job on a network that fails: what gets lost, late or cut on the way to S3, and brokers that are hard to reach."""

import time

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from jobs.store import S3
from tests.kit.faulty import CUTS, Faulty, everywhere
from tests.kit.job import kill
from tests.kit.pipeline import Pipeline
from tests.kit.wire import WiredBroker
from tests.test_ingest import DRAIN, EVERY_SECOND, complete, wait_until

AGAIN = 1  # the exit code that says: start it again
# Each kind of fault, a tenth of the requests in all.
MIXED = {
    "request lost": 0.02,
    "response lost": 0.02,
    "applied late": 0.02,
    "503": 0.02,
    "500": 0.01,
    "slow": 0.01,
    "answer cut": 0.05,
    "body cut": 0.05,
}
# And of every second record the response gets lost, so that it is created twice.
RECORDS = ("response lost", 0.5, "^PUT .*_state/ledger/0")
HASTY = ("tests/kit/hasty.py",)


@pytest.fixture
def faulty(folder, s3):
    with Faulty(folder, s3) as faulty:
        yield faulty


@pytest.mark.parametrize(
    ("fault", "applied"),
    {"request lost": 0, "response lost": 1, "applied late": 1, "503": 0, "500": 0, "expired": 0, "body cut": 0}.items(),
)
def test_a_fault_is_what_it_says(fault, applied, folder, s3, faulty):
    faulty.plan(everywhere({fault: 1.0}))
    client, key = s3.client(), {"Bucket": s3.bucket, "Key": f"{folder.name}/object"}
    behind = s3.client(url=faulty.environment["AWS_ENDPOINT_URL_S3"])
    with pytest.raises((BotoCoreError, ClientError)):
        behind.put_object(**key, Body=b"0123456789")
    time.sleep(3 if fault == "applied late" else 0.2)
    assert client.list_objects_v2(Bucket=s3.bucket, Prefix=key["Key"])["KeyCount"] == applied
    assert faulty.done() == {(fault, "boto3"): 1}


def test_what_breaks_is_sent_again_and_counted(folder, s3, faulty, monkeypatch):
    for name, value in faulty.environment.items():
        monkeypatch.setenv(name, value)
    store, root = S3(), f"s3://{s3.bucket}/{folder.name}"
    faulty.plan([("response lost", 0.3, CUTS["response lost"]), ("answer cut", 0.15, CUTS["answer cut"])])
    for n in range(20):
        assert store.create(f"{root}/{n}", b"first %d" % n)
        assert not store.create(f"{root}/{n}", b"second")
        assert store.read(f"{root}/{n}") == b"first %d" % n
    assert len([*store.files(root)]) == 20
    assert len(faulty.done()) == 2
    assert store.sent_again() == sum(faulty.done().values())
    assert store.sent_again() == 0


@pytest.mark.soak
def test_what_gets_lost_late_or_cut_is_asked_for_again(folder, broker, faulty):
    pipeline = Pipeline(folder, broker, faulty)
    pipeline.send(900)
    faulty.plan([RECORDS, *everywhere(MIXED)])
    with pipeline.oracle.watch():
        assert pipeline.job.run(*DRAIN, "--max-records", "300") == 0, pipeline.job.said()
        done = faulty.done()
        assert {fault for fault, _ in done} == MIXED.keys(), done
        assert {client for _, client in done} == {"boto3", "s3a"}
        assert '"retries": ' in pipeline.job.said()
        pipeline.oracle.assert_exactly(pipeline.sent)
        faulty.plan([])
        pipeline.send(100)
        assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()  # what came into staging late is gone
    pipeline.assert_exact()


@pytest.mark.soak
@pytest.mark.parametrize(("fault", "said"), [("503", "SlowDown"), ("expired", "The provided token has expired")])
def test_a_store_that_refuses_all_ends_the_job_in_one_line(fault, said, folder, broker, faulty):
    refused(Pipeline(folder, broker, faulty), faulty, fault, said, HASTY)


def refused(pipeline: Pipeline, faulty: Faulty, fault: str, said: str, script: tuple[str, ...]) -> None:
    """After a first batch the store answers nothing else any more; the job ends, and is started again."""
    pipeline.send(300)
    job = pipeline.job.start(*EVERY_SECOND, script=script)
    with pipeline.oracle.watch():
        try:
            wait_until(complete(pipeline), pipeline.job)
            faulty.plan(everywhere({fault: 1.0}))
            pipeline.send(300)
            assert job.wait(3600) == AGAIN, pipeline.job.said()
        finally:
            kill(job)
        last = pipeline.job.said().splitlines()[-1]
        assert last.startswith("ingest.py: the query died ") and said in last, pipeline.job.said()
        faulty.plan([])
        assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
    pipeline.assert_exact()


@pytest.mark.soak
def test_connections_to_brokers_that_break_or_fall_silent_cost_nothing(folder, tmp_path_factory):
    with WiredBroker(tmp_path_factory.mktemp("wired")) as broker:
        pipeline = Pipeline(folder, broker)
        pipeline.send(3000)
        broker.resets, broker.stalls = 0.08, 0.04
        impatient = ("--kafka-option", "request.timeout.ms=2000", "--kafka-option", "default.api.timeout.ms=5000")
        wired = ("--bootstrap-servers", broker.wired, "--max-records", "300")
        with pipeline.oracle.watch():
            assert pipeline.job.run(*DRAIN, *wired, *impatient) == 0, pipeline.job.said()
        assert broker.done.keys() == {"reset", "stall"}
        pipeline.assert_exact()


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_store_that_says_503_to_a_third_of_all_loses_nothing(seed, folder, broker, s3):
    """And other faults, and some silence; whenever the job gives up it is started again."""
    with Faulty(folder, s3, seed) as faulty:
        pipeline = Pipeline(folder, broker, faulty)
        rarely = {fault: share / 4 for fault, share in MIXED.items()}
        faulty.plan(everywhere(rarely | {"503": 0.3, "silent": 0.002}))
        codes = []
        with pipeline.oracle.watch():
            for _ in range(5):
                pipeline.send(600)
                codes.append(pipeline.job.run(*DRAIN, "--max-records", "300", patience=3600))
            faulty.plan([])
            assert pipeline.job.run(*DRAIN) == 0, pipeline.job.said()
        pipeline.assert_exact()
        done = faulty.done()
        print(f"seed {seed}: exit codes {codes}, faults {done}, rows {len(pipeline.sent)}, 0 lost, 0 duplicated")
        assert set(codes) <= {0, AGAIN}
        assert done.total() > 100 and len({fault for fault, _ in done}) > 5  # which of the rare ones, chance decides


@pytest.mark.soak
@pytest.mark.parametrize(
    ("fault", "said", "script"),
    [("503", "SlowDown", ("jobs/ingest.py",)), ("silent", "Read timeout on endpoint URL", HASTY)],
    ids=["503", "silent"],
)
def test_the_jobs_whole_patience_has_an_end(fault, said, script, folder, broker, faulty):
    refused(Pipeline(folder, broker, faulty), faulty, fault, said, script)
