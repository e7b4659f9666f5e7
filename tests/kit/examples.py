"""The documents in emr/examples, each by its command line: `python -m tests.kit.examples` renders them again."""

import contextlib
import io
import os
from pathlib import Path
from unittest import mock

from emr.__main__ import main

FOLDER = Path(__file__).parents[2] / "emr" / "examples"
JOB = (
    *(
        "--bootstrap-servers",
        "arn:aws:kafka:eu-west-1:111122223333:cluster/logs/de8982fa-8222-4e87-8b20-9bf3cdfa1521-2",
    ),
    *("--auth", "iam", "--topics", "orders", "--table", "s3://example-lake/orders"),
    *("--transform", "transforms.json_records:json_records", "--event-time", "at"),
    *("--schema", "id BIGINT NOT NULL, at TIMESTAMP, total DOUBLE"),
)
DRAIN = ("--trigger", "available-now")
EXAMPLES = {
    "ec2-step": ("ec2-step", "--", *JOB),
    "ec2-step-emr-7": ("ec2-step", "--release", "emr-7.14.0", "--size", "m", "--", *JOB),
    "ec2-cluster": ("ec2-cluster", "--", *JOB),
    "ec2-cluster-transient": ("ec2-cluster", "--transient", "--", *JOB, *DRAIN),
    "eks": ("eks", "--", *JOB),
    "eks-template": ("eks-template", "--", *JOB),
    "eks-of-template": ("eks", "--job-template-id", "0000000exampletemplate", "--", *JOB),
    "serverless-application": ("serverless-application", "--", *JOB),
    "serverless": ("serverless", "--", *JOB),
    "serverless-emr-7": ("serverless", "--release", "emr-7.14.0", "--", *JOB),
    "serverless-schedule": ("serverless-schedule", "--", *JOB, *DRAIN),
    "bucket-lifecycle": ("bucket-lifecycle", "--", *JOB),
}


def rendered(*words: str) -> str:
    """What `render` prints for these words, with nothing known of any account but the region."""
    said = io.StringIO()
    with mock.patch.dict(os.environ, {"AWS_REGION": "eu-west-1"}, clear=True), contextlib.redirect_stdout(said):
        assert main(["render", *words]) == 0
    return said.getvalue()


if __name__ == "__main__":
    for name, words in EXAMPLES.items():
        (FOLDER / f"{name}.json").write_text(rendered(*words))
