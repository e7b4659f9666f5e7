"""AWS's policy documents: their grammar, what they allow and what not, and the command that prints them."""

import itertools
import json
import re

import parliament
import pytest

from emr.__main__ import main
from emr.policy import LARGEST
from tests.kit.iam import OPERATORS, allowed, listed

CLUSTER = "arn:aws:kafka:eu-west-1:111122223333:cluster/logs/de8982fa-8222-4e87-8b20-9bf3cdfa1521-2"
JOB = "arn:aws:iam::444455556666:role/emr/job"
APPLICATION = "arn:aws:emr-serverless:eu-west-1:444455556666:/applications/00fabc"
READER = "arn:aws:iam::111122223333:role/reader"
SECRET = "arn:aws:secretsmanager:eu-west-1:444455556666:secret:orders-a1B2c3"
TOPIC, GROUP = (CLUSTER.replace(":cluster/", f":{kind}/") for kind in ("topic", "group"))
EMR = ("--application-arn", APPLICATION, "--code", "s3://code/floodmark", "--log-uri", "s3://emr-logs/floodmark")
BASE = ("--cluster-arn", CLUSTER, "--job-role-arn", JOB, "--topics", "orders,clicks", "--table", "s3://lake/logs", *EMR)
ASSUMED = ("--role-arn", READER, "--role-external-id", "floodmark-orders")
FLAGS = {
    "private": BASE,
    "assumed": (*BASE, *ASSUMED),
    "pattern": (*BASE[:4], "--topics-pattern", "shop-.*", *BASE[6:], "--consumer-group", "team", *ASSUMED),
    "scram": (*BASE, "--auth", "scram", "--secret", "orders", *ASSUMED[2:]),
    "looked up": ("--bootstrap-servers", CLUSTER, *BASE[2:], *ASSUMED[2:]),
    "elsewhere": (*BASE, "--state", "s3://other/s", "--checkpoint", "hdfs:///cp", *ASSUMED[2:]),
    "china": [flag.replace("arn:aws:", "arn:aws-cn:").replace("eu-west-1", "cn-north-1") for flag in (*BASE, *ASSUMED)],
}
MSK_ROLE_NEEDS_NO_TABLE = ("--cluster-arn", CLUSTER, "--topics", "orders")


@pytest.fixture
def printed(capsys):
    """A function: the document that the command prints, parsed."""

    def of(document: str, *flags: str) -> dict:
        assert main(["policy", document, *flags]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return of


TRUSTS = ("trust", "trust-ec2", "trust-eks", "trust-serverless", "trust-scheduler")
ELEMENTS = {**{name: ["Principal"] for name in TRUSTS}, "cluster-policy": ["Principal", "Resource"]}


def faults(document: dict, kind: str) -> list[str]:
    """Where `document` breaks the grammar of IAM's policies, or a rule of ours: no wildcard in an action."""
    found = []
    needed = {"Sid", "Effect", "Action", *ELEMENTS.get(kind, ("Resource",))}
    if list(document) != ["Version", "Statement"] or document["Version"] != "2012-10-17" or not document["Statement"]:
        found.append("not a Version and a Statement")
    for statement in document["Statement"]:
        if not needed <= set(statement) <= needed | {"Condition"}:
            found.append(f"elements {sorted(statement)}")
        if not re.fullmatch("[A-Za-z0-9]+", statement.get("Sid", "")):
            found.append("Sid")
        for action in listed(statement.get("Action", [])):
            if not re.fullmatch("[a-z0-9-]+:[A-Za-z0-9]+", action):
                found.append(f"action {action}")
        for resource in listed(statement.get("Resource", [])):
            if resource != "*" and not re.fullmatch(r"arn:aws(-cn|-us-gov)?:[a-z0-9-]+:[a-z0-9-]*:\d*:\S+", resource):
                found.append(f"resource {resource}")
        found += [f"operator {operator}" for operator in statement.get("Condition", {}) if operator not in OPERATORS]
    if len({statement.get("Sid") for statement in document["Statement"]}) != len(document["Statement"]):
        found.append("Sid twice")
    if len(json.dumps(document, separators=(",", ":"))) > LARGEST[kind]:
        found.append("too large")
    return found


GOOD = {"Sid": "A", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "arn:aws:s3:::b/*"}


@pytest.mark.parametrize(
    "change",
    [
        {"Sid": "a b"},
        {"Action": "s3:*"},
        {"Resource": "b/*"},
        {"Principal": {"AWS": JOB}},
        {"NotAction": "s3:GetObject"},
        {"Condition": {"StringAlike": {"s3:prefix": "a"}}},
        {"Resource": ["arn:aws:s3:::" + "b" * 11_000]},
    ],
    ids=str,
)
def test_the_grammar_check_sees(change):
    assert not faults({"Version": "2012-10-17", "Statement": [GOOD]}, "job-role")
    assert faults({"Version": "2012-10-17", "Statement": [GOOD | change]}, "job-role")


# One statement can't name all the resources of these: a cluster's policy speaks of the cluster alone, and the
# condition on an endpoint's tags would refuse the network it is made in.
KNOWN_MISMATCHES = {
    "cluster-policy": {"kafka:CreateVpcConnection", "kafka:GetBootstrapBrokers"},
    "vpc-connection": {"ec2:CreateVpcEndpoint"},
}


PRINTED = [
    (document, case)
    for document, case in itertools.product(LARGEST, FLAGS)
    if document != "trust" or "--role-external-id" in FLAGS[case]
]


@pytest.mark.parametrize(("document", "case"), PRINTED)
def test_a_document_is_by_iams_grammar_and_by_its_list_of_actions(document, case, printed):
    policy = printed(document, *FLAGS[case])
    assert not faults(policy, document)
    for statement in policy["Statement"]:
        statement.setdefault("Resource", READER)  # a trust policy has none, which parliament takes for a mistake
    found = parliament.analyze_policy_string(json.dumps(policy)).findings
    details = [wrong for finding in found if finding.issue == "RESOURCE_MISMATCH" for wrong in finding.detail]
    assert {finding.issue for finding in found} <= {"RESOURCE_MISMATCH"}, [str(finding) for finding in found]
    assert {wrong["action"] for wrong in details} <= KNOWN_MISMATCHES.get(document, set())


def test_iams_list_of_actions_knows_a_wrong_one():
    policy = {"Version": "2012-10-17", "Statement": [GOOD | {"Action": "kafka-cluster:ReadRecords"}]}
    assert [found.issue for found in parliament.analyze_policy_string(json.dumps(policy)).findings] == [
        "UNKNOWN_ACTION"
    ]


S3_ALLOWED = [
    ("s3:GetObject", "lake/logs/dt=2026-11-01/0.parquet"),
    ("s3:PutObject", "lake/logs/dt=2026-11-01/0.parquet"),
    ("s3:PutObject", "lake/logs_quarantine/dt=2026-11-01/0.parquet"),
    ("s3:PutObject", "lake/logs_state/ledger/latest"),
    ("s3:AbortMultipartUpload", "lake/logs_state/staging/w/table/0.parquet"),
    ("s3:DeleteObject", "lake/logs_state/staging/w/table/0.parquet"),
    ("s3:DeleteObject", "lake/logs_state/stop"),
]
S3_FORBIDDEN = [
    ("s3:DeleteObject", "lake/logs/dt=2026-11-01/0.parquet"),
    ("s3:DeleteObject", "lake/logs_quarantine/dt=2026-11-01/0.parquet"),
    ("s3:DeleteObject", "lake/logs_state/ledger/000000000001.json"),
    ("s3:DeleteObject", "lake/logs_state/stop-not"),
    ("s3:DeleteObjectVersion", "lake/logs_state/staging/w/table/0.parquet"),
    ("s3:GetObject", "lake/logs2/secret"),
    ("s3:PutObject", "lake/other"),
    ("s3:PutBucketPolicy", "lake"),
]


def test_the_job_may_delete_its_scratch_and_nothing_that_a_reader_sees(printed):
    policy = printed("job-role", *BASE)
    for action, path in S3_ALLOWED:
        assert allowed(policy, action, f"arn:aws:s3:::{path}"), (action, path)
    for action, path in S3_FORBIDDEN:
        assert not allowed(policy, action, f"arn:aws:s3:::{path}"), (action, path)


@pytest.mark.parametrize(
    ("prefix", "may"),
    [
        ("logs/", True),
        ("logs/dt=1/", True),
        ("logs_state/staging", True),
        ("", False),
        ("log", False),
        ("x/", False),
    ],
)
def test_the_job_may_list_its_own_places_only(prefix, may, printed):
    assert allowed(printed("job-role", *BASE), "s3:ListBucket", "arn:aws:s3:::lake", s3_prefix=prefix) is may


def test_places_in_several_buckets_are_listed_each_by_its_own_prefixes(printed):
    policy = printed("job-role", *FLAGS["elsewhere"])
    assert allowed(policy, "s3:ListBucket", "arn:aws:s3:::other", s3_prefix="s/ledger/")
    assert not allowed(policy, "s3:ListBucket", "arn:aws:s3:::other", s3_prefix="logs/")
    assert not allowed(policy, "s3:ListBucket", "arn:aws:s3:::lake", s3_prefix="s/ledger/")
    assert "hdfs" not in json.dumps(policy)


@pytest.mark.parametrize("document", ["job-role", "msk-role", "cluster-policy"])
def test_the_reader_may_read_its_topics_and_no_more(document, printed):
    policy, principal = printed(document, *BASE), JOB if document == "cluster-policy" else ""

    def may(action: str, resource: str) -> bool:
        return allowed(policy, f"kafka-cluster:{action}", resource, principal)

    assert may("Connect", CLUSTER)
    assert all(
        may(action, f"{TOPIC}/{topic}") for action in ("DescribeTopic", "ReadData") for topic in ("orders", "clicks")
    )
    assert all(may(action, f"{GROUP}/floodmark-1") for action in ("AlterGroup", "DescribeGroup"))
    assert not may("ReadData", f"{TOPIC}/others")
    assert not may("WriteData", f"{TOPIC}/orders")
    assert not may("AlterGroup", f"{GROUP}/theirs")
    assert not may("AlterCluster", CLUSTER)


def test_a_job_that_assumes_a_role_has_no_right_to_the_cluster_itself(printed):
    policy = printed("job-role", *FLAGS["assumed"])
    assert allowed(policy, "sts:AssumeRole", READER)
    assert not allowed(policy, "sts:AssumeRole", READER + "2")
    assert "kafka" not in json.dumps(policy)


def test_only_the_jobs_role_with_the_external_id_is_trusted(printed):
    policy = printed("trust", *FLAGS["assumed"])
    assert allowed(policy, "sts:AssumeRole", principal=JOB, sts_ExternalId="floodmark-orders")
    assert not allowed(policy, "sts:AssumeRole", principal=JOB, sts_ExternalId="other")
    assert not allowed(policy, "sts:AssumeRole", principal=JOB)
    assert not allowed(policy, "sts:AssumeRole", principal=JOB + "2", sts_ExternalId="floodmark-orders")


def test_the_cluster_lets_the_jobs_account_connect_and_only_the_job_read(printed):
    policy, account = printed("cluster-policy", *BASE), "arn:aws:iam::444455556666:root"
    for action in ("CreateVpcConnection", "GetBootstrapBrokers", "DescribeCluster", "DescribeClusterV2"):
        assert allowed(policy, f"kafka:{action}", CLUSTER, account)
    assert not allowed(policy, "kafka:DeleteCluster", CLUSTER, account)
    assert not allowed(policy, "kafka-cluster:ReadData", f"{TOPIC}/orders", account)


def test_without_iam_on_the_brokers_no_kafka_right_is_granted_but_to_connect(printed):
    assert "kafka" not in json.dumps(printed("job-role", *FLAGS["scram"]))
    assert "kafka-cluster" not in json.dumps(printed("cluster-policy", *FLAGS["scram"]))


@pytest.mark.parametrize(("given", "arn"), [("orders", SECRET), (SECRET, SECRET)])
def test_the_job_reads_one_secret_and_decrypts_nothing_else(given, arn, printed):
    policy = printed("job-role", *BASE, "--auth", "scram", "--secret", given)
    key = "arn:aws:kms:eu-west-1:444455556666:key/1234"
    by = {"kms_ViaService": "secretsmanager.eu-west-1.amazonaws.com", "kms_EncryptionContext:SecretARN": arn}
    assert allowed(policy, "secretsmanager:GetSecretValue", arn)
    assert not allowed(policy, "secretsmanager:GetSecretValue", arn.replace("orders", "orders2"))
    assert allowed(policy, "kms:Decrypt", key, **by)
    assert not allowed(policy, "kms:Decrypt", key)
    assert not allowed(policy, "kms:Decrypt", key, **by | {"kms_EncryptionContext:SecretARN": arn + "2"})


def test_brokers_are_looked_up_by_whoever_logs_in(printed):
    def may(document: str, *flags: str) -> bool:
        return allowed(printed(document, *FLAGS["looked up"], *flags), "kafka:GetBootstrapBrokers", CLUSTER)

    assert may("job-role")
    assert may("msk-role", *ASSUMED[:2])
    assert not may("job-role", *ASSUMED[:2])
    assert not allowed(printed("job-role", *BASE), "kafka:GetBootstrapBrokers", CLUSTER)


@pytest.mark.parametrize(("pattern", "covered"), [("shop-.*", "shop-*"), ("shop|web", "*"), ("shop.*|web", "*")])
def test_a_pattern_becomes_the_narrowest_wildcard_and_stderr_says_so(pattern, covered, capsys):
    assert main(["policy", "msk-role", "--cluster-arn", CLUSTER, "--topics-pattern", pattern]) == 0
    said = capsys.readouterr()
    assert f'"{TOPIC}/{covered}"' in said.out
    assert said.err == (
        f"# --topics-pattern {pattern}: IAM has no regular expressions, so this lets the job read every topic whose "
        f"name matches {covered}\n"
    )


def test_a_document_that_is_too_large_for_a_managed_policy_says_so(capsys):
    assert main(["policy", "msk-role", *BASE[:4], "--topics", ",".join(f"topic-{n}" for n in range(80))]) == 0
    assert re.fullmatch(r"# 8,\d\d\d characters: a managed policy takes 6,144, .*\n", capsys.readouterr().err)


def test_a_consumer_group_outside_the_prefix_is_granted_by_its_name(printed):
    policy = printed("msk-role", *FLAGS["pattern"])
    assert allowed(policy, "kafka-cluster:AlterGroup", f"{GROUP}/team")
    assert not allowed(policy, "kafka-cluster:AlterGroup", f"{GROUP}/team2")


def test_every_partition_keeps_to_itself(printed):
    for document in LARGEST:
        assert "arn:aws:" not in json.dumps(printed(document, *FLAGS["china"]))
    assert "arn:aws-cn:s3:::lake/logs/*" in json.dumps(printed("job-role", *FLAGS["china"]))


def test_no_document_asks_for_what_it_does_not_speak_of(printed):
    assert printed("msk-role", *MSK_ROLE_NEEDS_NO_TABLE)
    assert printed("job-role", "--table", "s3://lake/logs", "--auth", "none")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["polices"], "VERB: invalid choice: 'polices'"),
        (["policy", "msk-role", *BASE[:4], "--topics", "shop-*"], "--topics: 'shop-*' is not a topic name"),
        (
            ["policy", "job-role", "--tables", "s3://a-bucket/b"],
            "flags: unrecognized arguments: --tables s3://a-bucket/b",
        ),
        (["policy", "job-role"], "--table: this document needs it"),
        (
            ["policy", "job-role", "--table", "/tmp/a"],
            "--table: /tmp/a is a local folder; IAM knows only s3://bucket/prefix",
        ),
        (["policy", "job-role", "--table", "s3://a-bucket/b"], "--cluster-arn: this document needs it"),
        (["policy", "msk-role", "--cluster-arn", CLUSTER], "--topics: this document needs it, or --topics-pattern"),
        (["policy", "trust", "--job-role-arn", JOB], "--role-external-id: this document needs it"),
        (
            ["policy", "msk-role", "--cluster-arn", "logs"],
            "--cluster-arn: 'logs' is not arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID",
        ),
        (
            ["policy", "trust", "--job-role-arn", "arn:aws:sts::444455556666:assumed-role/job/me"],
            "--job-role-arn: 'arn:aws:sts::444455556666:assumed-role/job/me' is not arn:aws:iam::ACCOUNT:role/NAME",
        ),
        (
            ["policy", "trust", *BASE, "--role-external-id", "a b"],
            "--role-external-id: 'a b' is not 2 to 1224 of letters, digits and _+=,.@:/-",
        ),
        (
            ["policy", "trust", *BASE, "--role-arn", READER.replace("aws", "aws-cn")],
            f"--role-arn: {READER.replace('aws', 'aws-cn')} is not in the cluster's partition, aws",
        ),
        (
            ["policy", "msk-role", *BASE, "--bootstrap-servers", CLUSTER + "1"],
            f"--cluster-arn: {CLUSTER} is not {CLUSTER}1, which --bootstrap-servers names",
        ),
        (
            ["policy", "msk-role", *BASE[:4], "--topics", ",".join(f"topic-{n}" for n in range(200))],
            "--topics: msk-role has 20,244 characters and AWS takes 10,240; use --topics-pattern 'name.*'",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_is_one_line_that_names_the_flag(arguments, said, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(said)


def test_a_platform_may_be_the_jobs_role_for_the_jobs_own_account_only(printed):
    for document in TRUSTS[2:]:
        (statement,) = printed(document, *BASE)["Statement"]
        found = statement["Condition"]["StringEquals"]
        assert found["aws:SourceAccount"] == "444455556666"
        assert found.get("aws:SourceArn") == (APPLICATION if document == "trust-serverless" else None)
    assert printed("trust-ec2", *BASE)["Statement"][0]["Principal"] == {"Service": "ec2.amazonaws.com"}


def test_a_schedule_may_start_runs_of_one_application_with_one_role(printed):
    policy = printed("scheduler-role", *BASE)
    assert allowed(policy, "emr-serverless:StartJobRun", APPLICATION)
    assert not allowed(policy, "emr-serverless:StartJobRun", APPLICATION.replace("00fabc", "00fxyz"))
    assert not allowed(policy, "iam:PassRole", JOB, iam_PassedToService="ec2.amazonaws.com")
    assert not allowed(policy, "emr-serverless:CancelJobRun", APPLICATION)


def test_the_job_reads_code_and_writes_logs_where_these_are_said_and_deletes_neither(printed):
    policy = printed("job-role", *BASE)
    assert allowed(policy, "s3:GetObject", "arn:aws:s3:::code/floodmark/0/code.zip")
    assert allowed(policy, "s3:PutObject", "arn:aws:s3:::emr-logs/floodmark/applications/a/stdout.gz")
    for action, place in (("s3:PutObject", "code/floodmark/0/code.zip"), ("s3:GetObject", "emr-logs/floodmark/a")):
        assert not allowed(policy, action, f"arn:aws:s3:::{place}")
    assert not allowed(policy, "s3:DeleteObject", "arn:aws:s3:::emr-logs/floodmark/a")
    assert "emr-logs" not in str(printed("job-role", *BASE[:8]))
