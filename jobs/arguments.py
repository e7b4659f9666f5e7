"""The command line: every flag with its type, and complaints of one line.

Standard library only, so that a laptop, a scheduler or `emr/` can check a command line without Spark.
"""

import argparse

from jobs import auth, flags
from jobs.settings import JSON_RECORDS, Refused, Settings


def parse(argv: list[str], program: str = "ingest.py") -> Settings:
    """The settings that `argv` asks for; raises `Refused` with one line that names the flag."""
    return parsed(parser(program, "Kafka topics to Parquet, exactly once."), Settings, argv)


def parsed(parser: argparse.ArgumentParser, kind: type[Settings], argv: list[str]) -> Settings:
    given = vars(parser.parse_args(argv))
    return kind(**given | {"kafka_options": tuple(given.get("kafka_options", ()))})


def parser(program: str, description: str, servers: bool = True) -> "Parser":
    """Every flag of the job; `servers` says that there is no job without brokers."""
    made = Parser(prog=program, allow_abbrev=False, argument_default=argparse.SUPPRESS, description=description)
    add = made.add_argument
    add("--bootstrap-servers", required=servers, type=flags.servers, metavar="HOST:PORT,…|ARN")
    add("--topics", type=flags.names, metavar="a,b")
    add("--topics-pattern", type=flags.pattern, metavar="REGEX", help="every topic whose whole name matches")
    add("--transform", required=True, type=flags.function, metavar="PACKAGE.MODULE:FUNCTION")
    add("--table", required=True, type=flags.place, metavar="URI", help="s3://bucket/prefix or a folder")
    add("--quarantine", type=flags.place, metavar="URI", help="default: <table>_quarantine")
    add("--state", type=flags.place, metavar="URI", help="default: <table>_state")
    add("--checkpoint", type=flags.anywhere, metavar="URI", help="default: a folder of the driver's own")
    add("--partition-by", type=flags.names, metavar="dt,hr")
    add("--trigger", type=flags.trigger, metavar="60s|available-now", help="default: 60s")
    add("--min-records", type=flags.count, metavar="N", help="a batch starts at N records or after --max-wait")
    add("--max-wait", type=flags.duration, metavar="60s")
    add("--max-records", type=flags.count, metavar="N", help="the largest batch")
    add("--starting", type=flags.starting, metavar="earliest|latest|2026-11-01T00:00:00Z")
    add("--schema", type=flags.schema, metavar="DDL|FILE", help=f"for {JSON_RECORDS}")
    add("--event-time", metavar="COLUMN", help=f"for {JSON_RECORDS}")
    add("--target-file-size", type=flags.size, metavar="128MiB")
    add("--isolation", choices=("read_committed", "read_uncommitted"), help="default: read_committed")
    add("--on-data-loss", choices=("fail", "record"), help="what expired unread ends the job, or is noted and skipped")
    add("--consumer-group", type=flags.group, metavar="NAME", help="is told the offsets, so that its lag is the job's")
    add("--kafka-option", type=flags.kafka_option, action="append", dest="kafka_options", metavar="k=v")
    add("--auth", choices=auth.AUTH, help="how to log in to Kafka; default: none")
    add("--network", choices=auth.NETWORKS, help="which of an MSK cluster's addresses; default: private")
    add("--role-arn", type=flags.role, metavar="ARN", help="assumed to reach a cluster in another account")
    add("--role-external-id", type=flags.external_id, metavar="ID")
    add("--sts-region", type=flags.region, metavar="REGION", help="of STS; default: that of the cluster's ARN")
    add("--group-prefix", type=flags.group_prefix, metavar="floodmark", help="how the names of consumer groups begin")
    add("--secret", type=flags.secret, metavar="ARN|NAME", help="in Secrets Manager; else FLOODMARK_… variables")
    add("--keystore", type=flags.key_store, metavar="PATH", help="the client's certificate: .p12, .jks or .pem")
    add("--truststore", type=flags.key_store, metavar="PATH", help="the brokers' authority, if Java doesn't know it")
    add("--token-endpoint", type=flags.endpoint, metavar="URL", help="OAuth tokens from here instead of from IAM")
    return made


class Parser(argparse.ArgumentParser):
    """argparse whose complaints are one line, without the usage."""

    def error(self, message: str):
        flag, _, why = message.removeprefix("argument ").partition(": ")
        raise Refused(flag, why) if message.startswith("argument ") else Refused("flags", message)
