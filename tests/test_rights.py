"""The real job under the policy that `python -m emr policy job-role` prints, on an S3 that asks it at every request."""

from emr import arns, policies
from jobs.store import S3
from tests.kit.guarded import GuardedS3
from tests.kit.pipeline import Pipeline

CLUSTER = arns.cluster("arn:aws:kafka:us-east-1:111122223333:cluster/logs/de8982fa-8222-4e87-8b20-9bf3cdfa1521-2")
MARKERS = ("", "_state/", "_state/checkpoint/")


def test_the_job_does_all_it_does_with_the_printed_rights_and_no_more(folder, broker):
    """Two runs, the second of which finds a ledger, and a checkpoint in a place of its own that isn't there yet."""
    places = {"table": f"s3://{GuardedS3.bucket}/{folder.name}", "checkpoint": f"s3://{GuardedS3.bucket}/spark/of/this"}
    policy = policies.job_role(policies.Asked(cluster=CLUSTER, topics=("any",), **places))
    with GuardedS3(folder, policy) as s3:
        pipeline = Pipeline(folder, broker, s3)
        for _ in range(2):
            pipeline.send(150)
            code = pipeline.job.run("--trigger", "available-now", "--checkpoint", places["checkpoint"])
            assert code == 0, pipeline.job.said() + str(s3.asked("refused"))
        pipeline.assert_exact()
        print(s3.asked("refused"))
        assert not s3.asked("refused")
