"""Print an AWS policy document with the least that the job needs: JSON on stdout, remarks on stderr."""

import argparse
import json
import sys

from emr import arns, policies, trusts
from jobs import flags
from jobs.settings import Refused

# What AWS takes of each document, blanks not counted: inline policies of a role, a trust policy, a cluster policy.
LARGEST = {
    **{"job-role": 10_240, "msk-role": 10_240, "trust": 2_048, "cluster-policy": 20_480, "vpc-connection": 6_144},
    **dict.fromkeys(("trust-ec2", "trust-eks", "trust-serverless", "trust-scheduler"), 2_048),
    "scheduler-role": 10_240,
}
MANAGED = 6_144


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Every document takes all flags, so that one set of them, the job's own, prints all documents."""
    parser.argument_default = argparse.SUPPRESS
    add = parser.add_argument
    add("document", choices=policies.DOCUMENTS, metavar="|".join(policies.DOCUMENTS))
    add("--cluster-arn", type=arns.cluster, metavar="ARN", dest="cluster", help="the MSK cluster")
    add("--bootstrap-servers", type=arns.servers, metavar="HOST:PORT,…|ARN", help="an ARN is the cluster's too")
    add("--job-role-arn", type=arns.role, metavar="ARN", dest="job_role", help="the role that the job runs with")
    add("--topics", type=flags.names, metavar="a,b")
    add("--topics-pattern", type=flags.pattern, metavar="REGEX")
    for place in ("table", "quarantine", "state"):
        add(f"--{place}", type=flags.place, metavar="URI")
    add("--checkpoint", type=flags.anywhere, metavar="URI")
    add("--auth", choices=("none", "tls", "mtls", "scram", "iam", "oauthbearer"), help="default: iam")
    add("--secret", type=arns.secret, metavar="ARN|NAME")
    add("--role-arn", type=arns.role, metavar="ARN", help="the role in the cluster's account that the job assumes")
    add("--role-external-id", type=arns.external_id, metavar="ID")
    add("--group-prefix", type=arns.group, metavar="NAME", help="default: floodmark")
    add("--consumer-group", type=arns.group, metavar="NAME")
    add("--application-arn", type=trusts.application, metavar="ARN", dest="application", help="of EMR Serverless")
    add("--code", type=flags.place, metavar="URI", help="where `package --to` put the files")
    add("--log-uri", type=flags.place, metavar="URI", help="where the platform writes logs with the job's role")


def run(asked: argparse.Namespace) -> int:
    given = {name: value for name, value in vars(asked).items() if name not in ("verb", "document", "ingest")}
    cluster = given.pop("bootstrap_servers", None)
    if cluster and given.setdefault("cluster", cluster) != cluster:
        raise Refused("--cluster-arn", f"{given['cluster']} is not {cluster}, which --bootstrap-servers names")
    about = policies.Asked(lookup=bool(cluster), **given)
    document = policies.DOCUMENTS[asked.document](about)
    text = json.dumps(document, separators=(",", ":"))
    if len(text) > (largest := LARGEST[asked.document]):
        raise Refused(
            "--topics",
            f"{asked.document} has {len(text):,} characters and AWS takes {largest:,}; use --topics-pattern 'name.*'",
        )
    print(json.dumps(document, indent=2))
    if about.topics_pattern and ":topic/" in text:
        remark(
            f"--topics-pattern {about.topics_pattern}: IAM has no regular expressions, so this lets the job read "
            f"every topic whose name matches {policies.covering(about.topics_pattern)}"
        )
    if asked.document.endswith("-role") and len(text) > MANAGED:
        remark(f"{len(text):,} characters: a managed policy takes {MANAGED:,}, put it into the role itself")
    return 0


def remark(text: str) -> None:
    print(f"# {text}", file=sys.stderr)
