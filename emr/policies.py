"""AWS's own policy documents, with the least that the job needs: pure functions from what was asked to a dict.

An action's resources are those of AWS's service authorization reference; where that knows none, it is `*`.
"""

import dataclasses
import re

from emr import lake, trusts
from emr.arns import DNS, Cluster, Role, Secret
from emr.lake import allow
from jobs import flags
from jobs.settings import Refused, Settings

CONNECT = ["kafka-cluster:Connect"]
READ = ["kafka-cluster:DescribeTopic", "kafka-cluster:ReadData"]
# Spark's reader joins no group, but AWS ties ReadData to AlterGroup; `--consumer-group` commits to one.
GROUP = ["kafka-cluster:AlterGroup", "kafka-cluster:DescribeGroup"]
BY_IAM = ("iam", "oauthbearer")  # the values of --auth with which IAM decides what a Kafka client may do


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """What the documents are about; each document says what it can't do without."""

    cluster: Cluster | None = None
    lookup: bool = False  # the job is given the cluster's ARN and asks for its brokers
    job_role: Role | None = None
    table: str = ""
    quarantine: str = ""
    state: str = ""
    checkpoint: str | None = None
    topics: tuple[str, ...] = ()
    topics_pattern: str | None = None
    auth: str = "iam"
    secret: Secret | None = None
    role_arn: Role | None = None
    role_external_id: str = ""
    group_prefix: str = "floodmark"
    consumer_group: str = ""
    application: str = ""  # of EMR Serverless, by its ARN
    code: str = ""  # where `package --to` put the files
    log_uri: str = ""

    def __post_init__(self):
        for topic in self.topics:
            if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", topic):  # a * in it would cover others
                raise Refused("--topics", f"{topic!r} is not a topic name")
        named = [(f"--{flag}", given) for flag, given in (
            ("job-role-arn", self.job_role), ("role-arn", self.role_arn), ("secret", self.secret)
        ) if given and given.partition]  # fmt: skip
        for flag, given in named:
            if self.cluster and given.partition != self.cluster.partition:
                raise Refused(flag, f"{given} is not in the cluster's partition, {self.cluster.partition}")

    def needs(self, field: str, flag: str):
        found = getattr(self, field)
        if not found:
            raise Refused(flag, "this document needs it")
        return found


def job_role(asked: Asked) -> dict:
    """What the job's own role may do, in the account where the job runs."""
    statements = _lake(asked)
    if asked.role_arn:
        statements.append(allow("AssumeTheRoleThatReads", ["sts:AssumeRole"], str(asked.role_arn)))
    else:
        statements += (_reads(asked) if asked.auth in BY_IAM else []) + _looks_up(asked)
    return _document(statements + (_secret(asked) if asked.secret else []))


def msk_role(asked: Asked) -> dict:
    """What the role in the cluster's account may do, which the job assumes."""
    return _document(_reads(asked) + _looks_up(asked))


def trust(asked: Asked) -> dict:
    """Who may assume the role in the cluster's account: the job's role, if it says the external id."""
    job = asked.needs("job_role", "--job-role-arn")
    condition = {"StringEquals": {"sts:ExternalId": asked.needs("role_external_id", "--role-external-id")}}
    return _document([allow("TheJob", ["sts:AssumeRole"], None, condition, principal=str(job))])


def cluster_policy(asked: Asked) -> dict:
    """What the cluster grants to the job's account: VPC connections, and reading where IAM decides on it."""
    job = asked.needs("job_role", "--job-role-arn")
    cluster = asked.needs("cluster", "--cluster-arn")
    connect = ["CreateVpcConnection", "GetBootstrapBrokers", "DescribeCluster", "DescribeClusterV2"]
    account = f"arn:{job.partition}:iam::{job.account}:root"
    actions = [f"kafka:{action}" for action in connect]
    statements = [allow("ConnectPrivately", actions, str(cluster), principal=account)]
    if asked.auth in BY_IAM:
        statements += [statement | {"Principal": {"AWS": str(job)}} for statement in _reads(asked)]
    return _document(statements)


def vpc_connection(asked: Asked) -> dict:
    """What somebody in the job's account may do who makes the VPC connection to the cluster."""
    cluster = asked.needs("cluster", "--cluster-arn")
    account = asked.needs("job_role", "--job-role-arn").account
    ec2 = f"arn:{cluster.partition}:ec2:{cluster.region}:{account}"
    linked = "role/aws-service-role/kafka.amazonaws.com/AWSServiceRoleForKafka*"
    reads = ["SecurityGroups", "Subnets", "VpcEndpoints", "Vpcs"]
    parts = [f"{ec2}:{part}/*" for part in ("vpc", "subnet", "security-group")]
    ours = {"StringEquals": {"aws:RequestTag/AWSMSKManaged": "true"}}
    made = {"StringEquals": {"ec2:CreateAction": "CreateVpcEndpoint"}}
    return _document(
        [
            allow("Connect", ["kafka:CreateVpcConnection"], [str(cluster), cluster.connections(account)]),
            allow("Watch", ["kafka:DescribeVpcConnection"], cluster.connections(account)),
            allow("LookAtCluster", ["kafka:DescribeClusterV2"], str(cluster)),
            allow("LookUp", ["kafka:GetBootstrapBrokers", "kafka:ListVpcConnections"], "*"),
            allow("LookAround", [f"ec2:Describe{part}" for part in reads], "*"),
            allow("LookAtVpcs", ["ec2:DescribeVpcAttribute"], f"{ec2}:vpc/*"),
            allow("EndpointIn", ["ec2:CreateVpcEndpoint"], parts),
            allow("EndpointOfMsk", ["ec2:CreateVpcEndpoint"], f"{ec2}:vpc-endpoint/*", ours),
            allow("TagTheEndpoint", ["ec2:CreateTags"], f"{ec2}:vpc-endpoint/*", made),
            allow(
                "RoleOfMsk",
                ["iam:AttachRolePolicy", "iam:CreateServiceLinkedRole", "iam:PutRolePolicy"],
                f"arn:{cluster.partition}:iam::{account}:{linked}",
            ),
        ]
    )


def _lake(asked: Asked) -> list[dict]:
    """What the job does in its places."""
    settings = Settings(
        bootstrap_servers="", transform="", topics=("any",), table=asked.needs("table", "--table"),
        quarantine=asked.quarantine, state=asked.state, checkpoint=asked.checkpoint,
    )  # fmt: skip
    if not flags.bucket(settings.table):
        raise Refused("--table", f"{settings.table} is a local folder; IAM knows only s3://bucket/prefix")
    partition = next((one.partition for one in (asked.cluster, asked.job_role) if one), "aws")
    return lake.rights(settings, partition) + lake.around(asked.code, asked.log_uri, partition)


def _reads(asked: Asked) -> list[dict]:
    """Reading the topics, and no more."""
    cluster = asked.needs("cluster", "--cluster-arn")
    if not asked.topics and not asked.topics_pattern:
        raise Refused("--topics", "this document needs it, or --topics-pattern")
    topics = [cluster.topic(topic) for topic in asked.topics or (covering(asked.topics_pattern),)]
    groups = [cluster.group(f"{asked.group_prefix}*")]
    if asked.consumer_group and not asked.consumer_group.startswith(asked.group_prefix):
        groups.append(cluster.group(asked.consumer_group))
    return [
        allow("ConnectToCluster", CONNECT, str(cluster)),
        allow("ReadTopics", READ, topics),
        allow("UseGroups", GROUP, groups),
    ]


def _looks_up(asked: Asked) -> list[dict]:
    return [allow("LookBrokersUp", ["kafka:GetBootstrapBrokers"], "*")] if asked.lookup else []


def covering(pattern: str) -> str:
    """The narrowest name with a `*` that covers every topic of a pattern `name.*`; of any other it is `*`."""
    found = re.fullmatch(r"([A-Za-z0-9_-]+)\.\*", pattern)
    return f"{found[1]}*" if found else "*"


def _secret(asked: Asked) -> list[dict]:
    """Reading one secret, and decrypting it with whichever key it lies under, but nothing else with that key."""
    secret = asked.secret
    if not secret.account:  # a name: the ARN ends in six characters that AWS chose
        job = asked.needs("job_role", "--job-role-arn")
        cluster = asked.needs("cluster", "--cluster-arn")
        secret = Secret(job.partition, cluster.region, job.account, f"{secret.name}-??????")
    key = f"arn:{secret.partition}:kms:{secret.region}:{secret.account}:key/*"
    condition = {
        "StringEquals": {"kms:ViaService": f"secretsmanager.{secret.region}.{DNS[secret.partition]}"},
        "StringLike": {"kms:EncryptionContext:SecretARN": str(secret)},
    }
    return [
        allow("ReadTheSecret", ["secretsmanager:GetSecretValue"], str(secret)),
        allow("DecryptTheSecret", ["kms:Decrypt"], key, condition),
    ]


def _document(statements: list[dict]) -> dict:
    return {"Version": "2012-10-17", "Statement": statements}


DOCUMENTS = {
    "job-role": job_role,
    "msk-role": msk_role,
    "trust": trust,
    "cluster-policy": cluster_policy,
    "vpc-connection": vpc_connection,
    **trusts.DOCUMENTS,
}
