"""The requests that `python -m emr render` prints: AWS would take them, and what it would not take is one line."""

import copy
import itertools
import json
import re
import shlex

import pytest
from botocore.validate import ParamValidator

from emr import model, rules, sizes
from emr.__main__ import main
from emr.targets import TARGETS
from tests.kit.examples import DRAIN, EXAMPLES, FOLDER, JOB, rendered


def example(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text())


def faults(name: str, request: dict) -> list[str]:
    target = TARGETS[EXAMPLES[name][0]]
    return rules.faults(target.service, target.operation, request)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_what_render_prints_today(name):
    assert (FOLDER / f"{name}.json").read_text() == rendered(*EXAMPLES[name])


def test_every_target_has_an_example_and_every_example_a_command():
    assert {words[0] for words in EXAMPLES.values()} == set(TARGETS)
    assert {path.stem for path in FOLDER.glob("*.json")} == set(EXAMPLES)


@pytest.mark.parametrize("size", sizes.MEANT)
@pytest.mark.parametrize("name", EXAMPLES)
def test_aws_takes_every_example_in_every_size(name, size):
    words = list(EXAMPLES[name])
    request = json.loads(rendered(*words[:1], "--size", size, *words[1:]))
    assert faults(name, request) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_botocore_takes_what_the_cli_would_read(name):
    target = TARGETS[EXAMPLES[name][0]]
    wrong = ParamValidator().validate(example(name), model.shape(target.service, target.operation))
    assert not wrong.has_errors(), wrong.generate_report()


def changed(request: dict, path: str, value) -> dict:
    """The request with `value` at `a.b[0].c`, or without what is there when it is None."""
    request = copy.deepcopy(request)
    keys = [int(word) if word.isdigit() else word for word in re.findall(r"[^.\[\]]+", path)]
    at = request
    for key in keys[:-1]:
        at = at[key]
    if value is None:
        del at[keys[-1]]
    else:
        at[keys[-1]] = value
    return request


def sent(**changes) -> str:
    """The input of the schedule's target with these changes; None takes one out."""
    found = json.loads(example("serverless-schedule")["Target"]["Input"]) | changes
    return json.dumps({name: value for name, value in found.items() if value is not None})


ARGS = "Steps[0].HadoopJarStep.Args"
LIMITS = "ManagedScalingPolicy.ComputeLimits"
MONITORING = "configurationOverrides.monitoringConfiguration"
DRIVER = "jobDriver.sparkSubmitJobDriver"
INPUT = "Target.Input"
WRONG = [
    ("ec2-step", "JobFlowId", None, "JobFlowId is missing"),
    ("ec2-step", "JobFlowId", "j" * 257, "257 characters, and AWS takes no more than 256"),
    ("ec2-step", "Steps[0].ActionOnFailure", "IGNORE", "'IGNORE' is none of TERMINATE_JOB_FLOW, TERMINATE_CLUSTER"),
    ("ec2-step", "Steps[0].ActionOnFailure", "TERMINATE_CLUSTER", "AWS takes CONTINUE only"),
    ("ec2-step", "Steps[0].Nmae", "x", "Steps[0].Nmae is unknown"),
    ("ec2-step", "Steps[0].Name", "a\x00b", "does not have AWS's form"),
    ("ec2-step", ARGS, "spark-submit --x", "is not a list"),
    ("ec2-step", ARGS, ["x" * 10_223], "10,241 characters, and a step takes no more than 10,240"),
    ("ec2-step", "Steps", [example("ec2-step")["Steps"][0]] * 257, "no more than 256"),
    ("ec2-cluster", "StepConcurrencyLevel", 257, "not between 1 and 256"),
    ("ec2-cluster", "StepConcurrencyLevel", True, "True is not a integer"),
    ("ec2-cluster-transient", "StepConcurrencyLevel", 2, "AWS takes CONTINUE only"),
    ("ec2-cluster", "AutoTerminationPolicy.IdleTimeout", 30, "30 is not between 60 and 604,800"),
    ("ec2-cluster", "Instances.InstanceGroups[1].InstanceRole", "MASTER", "there must be one MASTER"),
    ("ec2-cluster", "Instances.InstanceGroups[1].Market", "CHEAP", "none of ON_DEMAND, SPOT"),
    ("ec2-cluster", f"{LIMITS}.MinimumCapacityUnits", 5, "5 is more than MaximumCapacityUnits, 2"),
    ("ec2-cluster", f"{LIMITS}.MaximumCapacityUnits", None, "MaximumCapacityUnits is missing"),
    ("ec2-cluster", f"{LIMITS}.UnitType", "Nodes", "none of InstanceFleetUnits, Instances, VCPU"),
    ("ec2-cluster", "Applications", [{"Name": "Flink"}], "Spark is missing"),
    ("ec2-cluster", "Configurations", [], "yarn-site allows 2 attempts"),
    ("eks", "name", "a b", "does not have AWS's form"),
    ("eks", "name", "a" * 65, "no more than 64"),
    ("eks", f"{DRIVER}.entryPoint", f"s3://{'b' * 260}/ingest.py", "no more than 256"),
    ("eks", f"{DRIVER}.sparkSubmitParameters", "x" * 102_401, "no more than 102,400"),
    ("eks", f"{DRIVER}.entryPointArguments", [" "], "does not have AWS's form"),
    ("eks", "jobDriver.sparkSqlJobDriver", {"entryPoint": "s3://b/a.sql"}, "exactly one kind of driver"),
    ("eks", "executionRoleArn", "arn:aws:iam::1:role/x", "does not have AWS's form"),
    ("eks", "retryPolicyConfiguration.maxAttempts", 0, "0 is not between 1 and 2,147,483,647"),
    ("eks", f"{MONITORING}.s3MonitoringConfiguration", None, "only with s3MonitoringConfiguration"),
    ("eks", f"{MONITORING}.containerLogRotationConfiguration.rotationSize", "3GB", "3GB is not 2KB to 2GB"),
    ("eks", f"{MONITORING}.containerLogRotationConfiguration.maxFilesToKeep", 51, "no more than 50"),
    ("eks", f"{MONITORING}.persistentAppUI", "ON", "none of ENABLED, DISABLED"),
    ("eks", "configurationOverrides.applicationConfiguration[0].properties.a", "x" * 1_025, "no more than 1,024"),
    ("eks", "releaseLabel", None, "are needed where there is no jobTemplateId"),
    ("eks-of-template", "releaseLabel", "emr-7.14.0-latest", "the template of jobTemplateId has it"),
    ("eks-template", "jobTemplateData.retryPolicyConfiguration", {"maxAttempts": 3}, "is unknown"),
    (
        "eks-template",
        f"jobTemplateData.{MONITORING}.containerLogRotationConfiguration",
        {"rotationSize": "1MB", "maxFilesToKeep": 2},
        "is unknown",
    ),
    ("serverless-application", "schedulerConfiguration.maxConcurrentRuns", 1_001, "not between 1 and 1,000"),
    ("serverless-application", "schedulerConfiguration.queueTimeoutMinutes", 10, "not between 15 and 720"),
    ("serverless-application", "architecture", "ARM", "none of ARM64, X86_64"),
    ("serverless-application", "type", "HIVE", "HIVE runs no Spark"),
    ("serverless-application", "autoStopConfiguration.idleTimeoutMinutes", 10_081, "no more than 10,080"),
    ("serverless-application", "maximumCapacity.cpu", "four", "does not have AWS's form"),
    ("serverless-application", "networkConfiguration.subnetIds", ["subnet-1"] * 17, "17 items"),
    ("serverless", "mode", "STREAM", "none of BATCH, STREAMING"),
    ("serverless", "mode", "BATCH", "maxFailedAttemptsPerHour: not with mode BATCH"),
    ("serverless", "retryPolicy", {"maxAttempts": 3}, "maxAttempts: not with mode STREAMING"),
    ("serverless", "retryPolicy.maxFailedAttemptsPerHour", 11, "11 is not between 1 and 10"),
    ("serverless", "executionTimeoutMinutes", 60, "a stream has no end"),
    ("serverless", "clientToken", "2026-11-01T00:00:00Z", "does not have AWS's form"),
    ("serverless", "jobDriver", {}, "exactly one of sparkSubmit, hive"),
    ("serverless-schedule", "Name", "a/b", "does not have AWS's form"),
    ("serverless-schedule", "ScheduleExpression", "every hour", "is not rate(1 hour), cron("),
    ("serverless-schedule", "ScheduleExpression", "rate(1 hours)", "is not rate(1 hour), cron("),
    ("serverless-schedule", "ScheduleExpression", "rate(0 minutes)", "is not rate(1 hour), cron("),
    ("serverless-schedule", "ScheduleExpression", "cron(0 * * * *)", "is not rate(1 hour), cron("),
    ("serverless-schedule", "ScheduleExpression", "at(2026-11-01)", "is not rate(1 hour), cron("),
    ("serverless-schedule", "FlexibleTimeWindow.Mode", "NONE", "none of OFF, FLEXIBLE"),
    ("serverless-schedule", "Target.RetryPolicy.MaximumRetryAttempts", 186, "no more than 185"),
    ("serverless-schedule", "Target.RetryPolicy.MaximumRetryAttempts", 1, "would be a second run"),
    ("serverless-schedule", "Target.RetryPolicy", None, "would be a second run"),
    ("serverless-schedule", "Target.Arn", "arn:aws:lambda:eu-west-1:1:function:f", "starts no run of EMR Serverless"),
    ("serverless-schedule", INPUT, "{", "is no JSON object"),
    ("serverless-schedule", INPUT, sent(ClientToken=None), "clientToken is missing"),
    (
        "serverless-schedule",
        INPUT,
        sent(ClientToken="<aws.scheduler.scheduled-time>"),
        "clientToken: '2026-11-01T00:00",
    ),
    ("serverless-schedule", INPUT, sent(mode="BATCH", Mode=None), "the names must be PascalCase"),
    ("serverless-schedule", INPUT, sent(ExecutionTimeoutMinutes=0), "0 is not between 1 and 10,080"),
    ("bucket-lifecycle", "LifecycleConfiguration.Rules[0].Status", "On", "none of Enabled, Disabled"),
]


@pytest.mark.parametrize(("name", "path", "value", "line"), WRONG, ids=lambda value: str(value)[:40])
def test_what_aws_would_refuse_is_one_line(name, path, value, line):
    found = faults(name, changed(example(name), path, value))
    assert len(found) >= 1 and any(line in fault for fault in found), found
    assert all("\n" not in fault for fault in found)


def refused(capsys, *words: str) -> str:
    assert main(["render", *words]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    return said.err


REFUSED = [
    (("ec2-step", "--", "--topics", "a"), "the following arguments are required"),
    (("ec2-step", "--", *JOB, "--trigger", "soon"), "--trigger: 'soon'"),
    (("ec2-step", "--", *JOB, "--kafka-option", "ssl.key.password=x"), "would show in the process list"),
    (("ec2-step", "--", *JOB[:-8], "--table", "/tmp/t", *JOB[-6:]), "needs s3://bucket/prefix"),
    (("ec2-step", "--release", "emr-9.9.9", "--", *JOB), "say its --spark-line"),
    (("ec2-step", "--release", "emr-7.14.0", "--spark-line", "4.1", "--", *JOB), "has Spark 3.5.8, not 4.1"),
    (("ec2-step", "--cluster-id", "cluster", "--", *JOB), "does not look like j-"),
    (("ec2-step", "--driver-memory", "lots", "--", *JOB), "is not an amount of memory"),
    (("ec2-step", "--conf", "spark.ssl.keyPassword=x", "--", *JOB), "would show in the request"),
    (("ec2-step", "--conf", "master=x", "--", *JOB), "is not spark.NAME=VALUE"),
    (("ec2-step", "--files", "client.p12", "--", *JOB), "is not on S3"),
    (("ec2-step", "--artefacts", "/no/such/list", "--", *JOB), "no list that `package` wrote"),
    (("ec2-step", "--", *JOB, "--kafka-option", f"client.id={'x' * 9_000}"), "a step takes no more than 10,240"),
    (("ec2-cluster", "--transient", "--", *JOB), "needs --trigger available-now"),
    (("serverless-schedule", "--", *JOB), "needs --trigger available-now"),
    (("serverless-schedule", "--schedule", "hourly", "--", *JOB, *DRAIN), "is not rate(1 hour), cron("),
    (("ec2-step", "--", *JOB[:-6], "--transform", "mine:f"), "--transform: mine:f is in no file of transforms/"),
    (("ec2-step", "--", *JOB[:-6], "--transform", "transforms.nope:f"), "transforms.nope:f is in no file"),
    (("ec2-step", "--release", "my release", "--spark-line", "4.1", "--", *JOB), "my release is not like emr-7.14.0"),
    (("ec2-cluster", "--release", "emr-7.14.0-latest", "--", *JOB), "only EMR on EKS takes a date or -latest"),
    (("serverless", "--schedule", "rate(1 hour)", "--", *JOB), "--schedule: only for serverless-schedule"),
    (("eks", "--transient", "--", *JOB), "--transient: only for ec2-cluster"),
    (("serverless", "--driver-cores", "3", "--", *JOB), "--driver-cores: 3: a worker has 1, 2, 4, 8, 16"),
    (("serverless", "--executor-memory", "8g", "--", *JOB), "8g is 9 GB, and a worker of 1 vCPU has at most 8"),
    (("ec2-cluster", "--executor-memory", "12g", "--", *JOB), "YARN has 12 GB of m7g.xlarge, and a container of"),
    (("ec2-cluster", "--size", "l", "--nodes", "4", "--", *JOB), "don't hold the driver and 8 executors: 9 do"),
    (("bucket-lifecycle", "--", *JOB, "--state", "s3://other/state"), "each bucket has rules of its own"),
    (("moon", "--", *JOB), "invalid choice"),
]


@pytest.mark.parametrize(("words", "line"), REFUSED, ids=lambda value: str(value)[:60])
def test_a_wrong_flag_is_one_line_and_exit_code_2(words, line, capsys):
    assert line in refused(capsys, *words)


def test_what_is_missing_is_listed_and_stands_in_only_where_it_is_used(capsys, monkeypatch):
    monkeypatch.delenv("AWS_REGION", raising=False)
    assert main(["render", "bucket-lifecycle", "--", *JOB]) == 0
    assert capsys.readouterr().err == ""
    assert main(["render", "ec2-step", "--cluster-id", "j-1ABC", "--", *JOB]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["JobFlowId"] == "j-1ABC"
    assert {line.split()[1] for line in said.err.splitlines()} == {"--artefacts", "--region"}


def test_the_environment_gives_what_a_flag_does_not(capsys, monkeypatch):
    monkeypatch.setenv("FLOODMARK_CLUSTER_ID", "j-FROMENV")
    main(["render", "ec2-step", "--", *JOB])
    assert json.loads(capsys.readouterr().out)["JobFlowId"] == "j-FROMENV"
    monkeypatch.setenv("FLOODMARK_CLUSTER_ID", "nonsense")
    assert "FLOODMARK_CLUSTER_ID: 'nonsense'" in refused(capsys, "ec2-step", "--", *JOB)


def test_no_secret_of_the_environment_gets_into_a_request(monkeypatch, capsys):
    for name in ("FLOODMARK_PASSWORD", "FLOODMARK_USERNAME", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "hush-hush")
    for words in EXAMPLES.values():
        assert main(["render", *words]) == 0
    said = capsys.readouterr()
    assert "hush-hush" not in said.out + said.err and said.out.count("floodmark") > len(EXAMPLES)


@pytest.mark.parametrize(
    ("release", "label"),
    [("emr-7.14.0", "emr-7.14.0-latest"), *((label, label) for label in ("emr-7.14.0-latest", "emr-7.14.0-20261101"))],
)
def test_eks_is_asked_for_an_image_of_the_release(release, label):
    assert json.loads(rendered("eks", "--release", release, "--", *JOB))["releaseLabel"] == label


def test_a_step_hands_the_jobs_flags_on_word_by_word():
    words = example("ec2-step")["Steps"][0]["HadoopJarStep"]["Args"]
    assert tuple(words[-len(JOB) :]) == JOB


def test_a_schema_in_a_file_travels_as_the_schema_itself(tmp_path):
    (tmp_path / "schema.ddl").write_text("id BIGINT,\n at TIMESTAMP")
    at = JOB.index("--schema")
    words = (*JOB[:at], "--schema", str(tmp_path / "schema.ddl"))
    args = json.loads(rendered("ec2-step", "--", *words))["Steps"][0]["HadoopJarStep"]["Args"]
    assert args[-1] == "id BIGINT,\n at TIMESTAMP"


@pytest.mark.parametrize("name", ["eks", "serverless"])
def test_a_setting_that_needs_quotes_is_not_on_the_command_line(name):
    option = "spark.driver.extraJavaOptions=-Da=b -Dc=$d"
    request = json.loads(rendered(name, "--conf", option, "--", *JOB))
    driver = next(iter(request["jobDriver"].values()))
    assert "'" not in driver["sparkSubmitParameters"]
    words = shlex.split(driver["sparkSubmitParameters"])
    assert words == driver["sparkSubmitParameters"].split() and set(words[::2]) == {"--conf"}
    properties = request["configurationOverrides"]["applicationConfiguration"][0]["properties"]
    assert properties["spark.driver.extraJavaOptions"] == "-Da=b -Dc=$d" and "spark.archives" in properties


def settings_of(words: list[str]) -> dict[str, str]:
    return dict(word.split("=", 1) for flag, word in itertools.pairwise(words) if flag == "--conf")


def test_a_flag_wins_over_the_size_and_over_what_is_set_everywhere():
    words = ("--size", "m", "--executors", "7", "--conf", "spark.speculation=true", "--", *JOB)
    found = settings_of(json.loads(rendered("ec2-step", *words))["Steps"][0]["HadoopJarStep"]["Args"])
    assert (found["spark.executor.instances"], found["spark.executor.memory"]) == ("7", "8g")
    assert found["spark.speculation"] == "true"


def test_the_older_release_asks_for_a_python_that_boto3_runs_on():
    found = settings_of(example("ec2-step-emr-7")["Steps"][0]["HadoopJarStep"]["Args"])
    names = ("spark.yarn.appMasterEnv.PYSPARK_PYTHON", "spark.executorEnv.PYSPARK_PYTHON", "spark.pyspark.python")
    assert {found[name] for name in names} == {"python3.11"} and "2.12-3.5.7.jar" in found["spark.jars"]
    assert "PYSPARK_PYTHON" not in str(example("ec2-step"))


def test_the_settings_of_a_long_run_are_in_the_step_and_in_yarn():
    found = settings_of(example("ec2-step")["Steps"][0]["HadoopJarStep"]["Args"])
    assert found["spark.speculation"] == "false" and found["spark.dynamicAllocation.enabled"] == "false"
    assert found["spark.yarn.am.attemptFailuresValidityInterval"] == "1h"
    assert found["spark.files"].endswith("/log4j2.properties") and found["spark.eventLog.rolling.enabled"] == "true"
    site = example("ec2-cluster")["Configurations"][0]["Properties"]
    assert site["yarn.resourcemanager.am.max-attempts"] == found["spark.yarn.maxAppAttempts"]
    assert site["yarn.node-labels.am.default-node-label-expression"] == "CORE"


def test_two_tables_have_two_names_and_one_table_the_same_for_every_version():
    def name(*words: str) -> str:
        return json.loads(rendered("ec2-step", *words))["Steps"][0]["Name"]

    at = JOB.index("s3://example-lake/orders")
    other = [*JOB[:at], f"s3://example-lake/{'Or/ders_' * 20}", *JOB[at + 1 :]]
    assert name("--", *JOB) == name("--size", "l", "--", *JOB, "--max-records", "5") != name("--", *other)
    assert re.fullmatch(r"[a-z0-9._-]{1,64}", name("--", *other))


def test_the_same_request_has_the_same_token_and_another_request_another():
    def token(*words: str) -> str:
        return json.loads(rendered("serverless", *words, "--", *JOB))["clientToken"]

    assert token() == token() != token("--size", "s")


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_command_of_the_cli_carries_the_same_request(name):
    """Tried with the AWS CLI 1.45: what it sends for `add-steps` and `create-cluster` is the request itself."""
    words = shlex.split(rendered(EXAMPLES[name][0], "--cli", *EXAMPLES[name][1:]))
    request = example(name)
    if words[2] in ("add-steps", "create-cluster"):
        (step,) = json.loads(words[words.index("--steps") + 1])
        assert step == {
            "Type": "CUSTOM_JAR",
            **{key: request["Steps"][0][key] for key in ("Name", "ActionOnFailure")},
            **request["Steps"][0]["HadoopJarStep"],
        }
    else:
        assert words[-2] == "--cli-input-json" and json.loads(words[-1]) == request
