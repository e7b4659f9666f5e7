"""The real job under the policy that `python -m emr policy job-role` prints, on an S3 that asks it at every request."""

import pytest
from botocore.exceptions import ClientError

from emr import arns, policies
from jobs import ledger
from jobs.store import S3
from tests.kit.guarded import GuardedS3
from tests.kit.job import LINE, Job
from tests.kit.pipeline import Pipeline
from tests.test_ingest import NEEDS_A_PERSON

CLUSTER = arns.cluster("arn:aws:kafka:us-east-1:111122223333:cluster/logs/de8982fa-8222-4e87-8b20-9bf3cdfa1521-2")


@pytest.mark.soak
@pytest.mark.newest
def test_the_job_does_all_it_does_with_the_printed_rights(folder, broker):
    """A new table, its checkpoint in a place that isn't there yet; a damaged ledger; then on from the rebuilt one."""
    bucket = f"s3://{GuardedS3.bucket}"
    places = {"table": f"{bucket}/{folder.name}", "checkpoint": f"{bucket}/spark/of/this"}
    policy = policies.job_role(policies.Asked(cluster=CLUSTER, topics=("any",), **places))
    drain = ("--trigger", "available-now", "--checkpoint", places["checkpoint"])
    with GuardedS3(folder, policy) as s3:
        pipeline, tests = Pipeline(folder, broker, s3), S3(s3.client())
        pipeline.send(150)
        assert pipeline.job.run(*drain) == 0, f"{s3.asked('refused')} {pipeline.job.said()}"

        tests.replace(f"{pipeline.state}/ledger/{ledger.name(pipeline.records()[-1].seq)}", b"{")
        assert pipeline.job.run(*drain) == NEEDS_A_PERSON
        assert "000000000002.json is damaged" in pipeline.job.said().splitlines()[-1]
        tests.delete(f"{pipeline.state}/ledger")
        rebuild = Job(folder, "--table", pipeline.table, environment=s3.environment)
        assert rebuild.run(script=("jobs/rebuild.py",)) == 0, f"{s3.asked('refused')} {rebuild.said()}"

        pipeline.send(150)
        assert pipeline.job.run(*drain) == 0, f"{s3.asked('refused')} {pipeline.job.said()}"
        pipeline.oracle.assert_exactly(pipeline.sent)
        # Hadoop 3.3.4, which EMR has not, tries to remove folder markers above what it writes, and does without.
        markers = {(action, key) for action, key in s3.asked("refused") if LINE == "3.5" and key.endswith("/")}
        assert s3.asked("refused") == markers

        job = S3(s3.client("job"))
        for place in (pipeline.table, pipeline.quarantine, f"{pipeline.state}/ledger"):
            file = next(job.files(place)).name
            with pytest.raises(OSError, match="can't be deleted"):
                job.discard(f"{place}/{file}")
            assert tests.exists(f"{place}/{file}")
        with pytest.raises(ClientError, match="AccessDenied"):
            job.folders(f"{bucket}/somebody_else")
        with pytest.raises(ClientError, match="Forbidden"):
            job.exists(f"{bucket}/somebody_else/file")
