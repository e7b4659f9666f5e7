"""The page about clusters in other accounts: its commands exist, with their parameters, and print what they say."""

import json
import re
import shlex

import pytest

from emr import trusts
from emr.__main__ import main
from emr.policies import DOCUMENTS
from tests.kit import aws
from tests.kit.pages import commands, page

PAGE = page("msk")
COMMANDS = [line for line, _ in commands(PAGE)]
AWS = [command for command in COMMANDS if command.startswith("aws ")]
POLICY = [command for command in COMMANDS if command.startswith("python -m emr ")]


def test_every_command_of_the_page_is_of_a_kind_that_is_checked():
    assert set(COMMANDS) == set(AWS + POLICY)
    assert len(AWS) > 15 and "$" not in "".join(AWS + POLICY)


@pytest.mark.parametrize("command", AWS)
def test_an_aws_command_of_the_page_exists_with_its_parameters(command):
    aws.parsed(shlex.split(command)[1:])


@pytest.mark.parametrize(
    "command",
    [
        "kafka put-cluster-policies --cluster-arn a --policy b",
        "kafka put-cluster-policy --cluster-arn a --policies b",
        "kafka put-cluster-policy --cluster-arn a",
        "kafka put-cluster-policy a b",
        "kafka get-cluster-policy --cluster-arn a --query ClusterPolicy",
        "kafka update-connectivity --cluster-arn a --current-version b --connectivity-info '{\"VpcConnection\": {}}'",
    ],
)
def test_a_command_that_aws_would_refuse_is_seen(command):
    with pytest.raises(ValueError):
        aws.parsed(shlex.split(command))


@pytest.mark.parametrize("command", POLICY)
def test_a_document_of_the_page_is_printed(command, capsys):
    words, _, file = command.partition(" > ")
    assert main(shlex.split(words)[3:]) == 0
    assert json.loads(capsys.readouterr().out)["Statement"]
    assert file.endswith(".json")


def test_the_page_puts_every_document_where_its_table_says():
    made = dict(re.findall(r"python -m emr policy ([a-z-]+) .*> (\S+)", "\n".join(POLICY)))
    assert set(made) == set(DOCUMENTS) - set(trusts.DOCUMENTS)
    taken = {file: " ".join(command.split()[:3]) for command in AWS for file in re.findall(r"file://(\S+)", command)}
    for document, by in re.findall(r"^\| `([a-z-]+)` \|.*\| `(aws [a-z -]+)` \|$", PAGE, re.MULTILINE):
        assert taken[made[document]] == by
    assert set(re.findall(r"^\| `([a-z-]+)` \|.*`aws ", PAGE, re.MULTILINE)) == set(DOCUMENTS) - set(trusts.DOCUMENTS)


def test_the_ports_of_the_page_are_those_that_its_commands_open():
    opened = set(re.findall(r'"FromPort": (\d+)', PAGE))
    assert opened == {"14001", "9098"}
    assert re.search(r"^\| `iam`, `oauthbearer` \| 9098 \|", PAGE, re.MULTILINE)
