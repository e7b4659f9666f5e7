"""What `python -m emr submit` sends, against moto's real HTTP server as far as it knows these services."""

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError

from emr.__main__ import main
from tests.kit.emr import uploaded

JOB = ("--bootstrap-servers", "b:9092", "--topics", "orders", "--transform", "transforms.raw:raw")
ROLE = "arn:aws:iam::123456789012:role/job"
# moto's EMR on EKS and Serverless know no label like emr-spark-8.1.0.
RELEASE = ("--release", "emr-7.14.0")
ACCOUNT = {
    "SERVICE_ROLE": "EMR_DefaultRole",
    "INSTANCE_PROFILE": "floodmark-job",
    "JOB_ROLE_ARN": ROLE,
    "SCHEDULER_ROLE_ARN": ROLE,
    "SECURITY_GROUPS": "sg-0c0c0c0c0c0c0c0c0",
    "LOG_URI": "s3://floodmark/logs",
}


@pytest.fixture
def account(s3, tmp_path, monkeypatch):
    """An account at moto: its services under one address, the files of the package listed."""
    for name, value in {**s3.environment, "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": s3.url}.items():
        monkeypatch.setenv(name, value)
    ec2 = boto3.client("ec2")
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    for name, value in {**ACCOUNT, "SUBNETS": subnet}.items():
        monkeypatch.setenv(f"FLOODMARK_{name}", value)
    monkeypatch.setenv("FLOODMARK_ARTEFACTS", str(uploaded(tmp_path, line="3.5")))
    return f"s3://{s3.bucket}/{tmp_path.name}"


@pytest.fixture
def submit(account, capsys):
    """A function: submits a target; what was printed."""

    def run(target: str, *words: str, drain: bool = False) -> str:
        job = (*JOB, "--table", account, *(("--trigger", "available-now") if drain else ()))
        capsys.readouterr()
        assert main(["submit", target, *RELEASE, *words, "--", *job]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    return run


def test_a_cluster_is_made_once_and_takes_the_step(submit):
    id = submit("ec2-cluster").split()[0]
    assert submit("ec2-cluster").startswith(f"{id} is there already")
    emr = boto3.client("emr")
    found = emr.describe_cluster(ClusterId=id)["Cluster"]
    assert (found["ReleaseLabel"], found["StepConcurrencyLevel"]) == ("emr-7.14.0", 1)
    step = emr.list_steps(ClusterId=id)["Steps"][0]
    assert step["Config"]["Args"][:3] == ["spark-submit", "--master", "yarn"]
    assert "runs already" in submit("ec2-step", "--cluster-id", id)
    with pytest.raises(AssertionError, match="is there already, without this job: `submit ec2-step --cluster-id j-"):
        submit("ec2-cluster", drain=True)
    assert len(emr.list_steps(ClusterId=id)["Steps"]) == 1


def test_a_run_on_eks_is_started_and_found_again(submit):
    eks = boto3.client("eks")
    eks.create_cluster(name="c", roleArn=ROLE, resourcesVpcConfig={"subnetIds": []})
    provider = {"id": "c", "type": "EKS", "info": {"eksInfo": {"namespace": "default"}}}
    virtual = boto3.client("emr-containers").create_virtual_cluster(name="v", containerProvider=provider)["id"]
    id = submit("eks", "--virtual-cluster-id", virtual).split()[0]
    found = boto3.client("emr-containers").describe_job_run(virtualClusterId=virtual, id=id)["jobRun"]
    assert found["jobDriver"]["sparkSubmitJobDriver"]["entryPoint"].endswith("/ingest.py")


def test_an_application_and_a_run_on_serverless(submit):
    application = submit("serverless-application").split()[0]
    assert submit("serverless-application", "--size", "s").startswith(f"{application} is there already")
    client = boto3.client("emr-serverless")
    # moto doesn't list the runs of an application that never had one.
    client.start_job_run(applicationId=application, clientToken="t", executionRoleArn=ROLE, name="another job")
    id = submit("serverless", "--application-id", application).split()[0]
    found = client.get_job_run(applicationId=application, jobRunId=id)["jobRun"]
    assert found["jobDriver"]["sparkSubmit"]["entryPointArguments"][:2] == ["--bootstrap-servers", "b:9092"]
    assert client.get_application(applicationId=application)["application"]["autoStopConfiguration"]["enabled"]


def test_a_schedule_is_made_and_then_changed(submit):
    words = ("serverless-schedule", "--application-id", "00fabc")
    assert "made: rate(1 hour)" in submit(*words, drain=True)
    said = submit(*words, "--schedule", "rate(2 hours)", drain=True)
    assert "changed: rate(2 hours)" in said
    found = boto3.client("scheduler").get_schedule(Name=said.split()[0])
    assert found["ScheduleExpression"] == "rate(2 hours)" and '"Mode": "BATCH"' in found["Target"]["Input"]


def test_rules_of_a_bucket_stay_when_ours_come(submit, s3):
    theirs = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 1}}
    client = s3.client()
    client.put_bucket_lifecycle_configuration(Bucket=s3.bucket, LifecycleConfiguration={"Rules": [theirs]})
    assert "4 rules" in submit("bucket-lifecycle") and "1 others kept" in submit("bucket-lifecycle")
    rules = client.get_bucket_lifecycle_configuration(Bucket=s3.bucket)["Rules"]
    assert len(rules) == 5 and theirs["ID"] in {rule["ID"] for rule in rules}


def test_a_cluster_whose_answer_was_lost_is_not_made_twice(account, capsys, monkeypatch):
    """RunJobFlow has no token: botocore, left alone, sends it again."""
    sent, make = [], boto3.client

    def lost(request, **_):
        sent.append(request)
        raise ConnectionClosedError(endpoint_url=request.url)

    def losing(service, **more):
        client = make(service, **more)
        client.meta.events.register("before-send.emr.RunJobFlow", lost)
        return client

    monkeypatch.setattr(boto3, "client", losing)
    assert main(["submit", "ec2-cluster", *RELEASE, "--", *JOB, "--table", f"{account}-lost"]) == 1
    assert capsys.readouterr().err.startswith("submitting ec2-cluster: Connection was closed") and len(sent) == 1


def test_what_aws_refuses_is_one_line(account, capsys):
    capsys.readouterr()
    words = ("ec2-step", *RELEASE, "--cluster-id", "j-NONE", "--", *JOB, "--table", account)
    assert main(["submit", *words]) == 1
    said = capsys.readouterr().err
    assert said.startswith("asking for the release: ") and said.count("\n") == 1
