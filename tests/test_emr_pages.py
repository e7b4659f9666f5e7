"""The pages about EMR: their commands exist with their parameters, AWS would take what they submit, sums are right."""

import json
import re
import shlex
from pathlib import Path

import parliament
import pytest

from emr.__main__ import main
from tests.kit import aws
from tests.kit.emr import uploaded
from tests.kit.pages import commands, page
from transforms.access_log import REQUEST

PAGES = {name: page(name) for name in ("ec2", "eks", "serverless")}
# Commands that the CLI has besides those of AWS's models.
OF_THE_CLI_ALONE = {
    ("emr", "modify-cluster-attributes"),
    ("emr", "terminate-clusters"),
    ("emr-containers", "create-role-associations"),
}


ALL = [(name, *command) for name, page in PAGES.items() for command in commands(page)]
OURS = [(line, known) for _, line, known in ALL if line.startswith("python -m emr ")]
AWS = sorted({line for _, line, _ in ALL if line.startswith("aws ")})


def test_every_command_of_the_pages_is_of_a_kind_that_is_checked():
    others = {line for _, line, _ in ALL if not line.startswith(("aws ", "python -m emr "))}
    assert others == {"make setup", ". .venv/bin/activate", "kubectl create namespace floodmark"}
    assert len(OURS) > 20 and len(AWS) > 15 and not any("$" in line for _, line, _ in ALL)


@pytest.mark.parametrize("command", AWS)
def test_an_aws_command_of_the_pages_exists_with_its_parameters(command):
    words = shlex.split(command)[1:]
    if tuple(words[:2]) not in OF_THE_CLI_ALONE:
        aws.parsed(words)


@pytest.mark.parametrize(("line", "known"), OURS, ids=lambda value: value[14:60] if isinstance(value, str) else "")
def test_a_command_of_ours_is_taken(line, known, monkeypatch, tmp_path, capsys):
    """Documents are printed; requests are made, with nothing missing; the others would next ask AWS."""
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FLOODMARK_ARTEFACTS", str(uploaded(tmp_path)))
    words = shlex.split(line.partition(" > ")[0])[3:]
    if words[0] == "package":
        words = ["package", "--dry-run", "--dist", str(tmp_path), *words[1:]]
        monkeypatch.setattr("emr.aws.Objects.absent", lambda *_: True)
    if words[0] in ("submit", "upgrade", "stop"):
        words.insert(2, "--dry-run")
    if words[0] in ("status", "logs", "stop"):
        monkeypatch.setattr("emr.job.Job.runs", lambda job: [])
        assert main(words) == (0 if words[0] == "stop" else 1)  # there is no run whose state could be told
    else:
        assert main(words) == 0, capsys.readouterr().err
        assert capsys.readouterr().out


@pytest.mark.parametrize("name", PAGES)
def test_the_sums_under_the_prices_are_right(name):
    for sum, result in re.findall(r"730 hours × ([^=]+) = (\d+\.\d+)", PAGES[name]):
        assert abs(730 * eval(sum.replace("×", "*")) - float(result)) < 0.05, sum


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_it_costs_where_and_when_and_that_nothing_was_run(name):
    page = PAGES[name]
    assert "us-east-1, USD for 730 hours a month, collected on 2026-11-23" in page
    assert "Nothing on this page has been run against AWS" in page
    assert "| always on | scheduled |" in page


@pytest.mark.parametrize("name", PAGES)
def test_the_rights_that_a_page_speaks_of_are_among_iams(name):
    actions = set(re.findall(r"`([a-z0-9-]+:[A-Z][A-Za-z0-9]+)`", PAGES[name]))
    policy = {"Sid": "A", "Effect": "Allow", "Action": sorted(actions), "Resource": "*"}
    found = parliament.analyze_policy_string(json.dumps({"Version": "2012-10-17", "Statement": [policy]})).findings
    assert len(actions) > 8 and "UNKNOWN_ACTION" not in {finding.issue for finding in found}


def test_the_table_of_the_pages_has_the_columns_of_the_transform():
    statement = (Path(__file__).parents[1] / "emr" / "examples" / "logs.sql").read_text()
    columns = dict(re.findall(r"`?(\w+)`? (string|timestamp|int|bigint|double)\b", statement))
    event = {name: kind.lower() for name, kind in re.findall(r"(\w+) +([A-Z]+)", REQUEST.replace("NOT NULL", ""))}
    kafka = {"_topic": "string", "_partition": "int", "_offset": "bigint", "_timestamp": "timestamp"}
    assert columns == event | kafka | {"dt": "string", "hr": "string"}
