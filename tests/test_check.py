"""The check with a real broker, a real job beside it, and an S3 that asks a policy: what fails is named, only that."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka.admin import AclBinding, AclOperation, AclPermissionType, ResourcePatternType, ResourceType

from emr import arns, policies
from jobs import check, ledger
from jobs.arguments import parse
from jobs.flags import variable
from jobs.offsets import Held
from jobs.store import Local
from jobs.trials import Failed, Known, reaches_leaders
from tests.kit.guarded import GuardedS3
from tests.kit.iam import listed
from tests.kit.job import LINE, ROOT, Job, kill
from tests.kit.pipeline import MARKED, START_MS, Pipeline
from tests.kit.secured import SecuredBroker
from tests.kit.topics import settled
from tests.test_ingest import EVERY_SECOND, complete, ends, wait_until

CLUSTER = arns.cluster("arn:aws:kafka:us-east-1:111122223333:cluster/logs/de8982fa-8222-4e87-8b20-9bf3cdfa1521-2")
ON_35 = {"all well", "s3: all rights", "s3: no PutObject on the table"}  # a sample


class Said(NamedTuple):
    code: int
    lines: dict[str, tuple[str, str]]  # the check's name → ok, FAILED or not tried, and the words

    def failed(self) -> set[str]:
        return {name for name, (status, _) in self.lines.items() if status == "FAILED"}

    def not_tried(self) -> set[str]:
        return {name for name, (status, _) in self.lines.items() if status == "not tried:"}

    def words(self, name: str) -> str:
        return self.lines[name][1]


def understood(code: int, lines: list[str]) -> Said:
    """What was printed; the last line sums it up."""
    *rows, last = lines
    said = Said(code, {row[11:].split()[0]: (row[:10].strip(), row[22:]) for row in rows})
    well = {status for status, _ in said.lines.values()} == {"ok"}
    assert well == (code == 0) == (last == "the job would run"), lines
    return said


def answers(job: Job, cases: dict[str, dict]) -> dict[str, Said]:
    """What one driver said to all cases."""
    file = job.log.parent / "cases.json"
    empty = {"environment": {}, "files": {}}
    file.write_text(json.dumps({name: empty | case for name, case in cases.items()}))
    assert job.run(str(file), script=("tests/kit/checks.py",), patience=600) == 0, job.said()[-3000:]
    return {name: understood(**said) for name, said in json.loads(file.read_text()).items()}


def flags(servers: str, topic: str, table: str, *more: str) -> list[str]:
    base = ["--bootstrap-servers", servers, "--topics", topic, "--table", table]
    return [*base, "--transform", MARKED, "--partition-by", "dt,hr", *more]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def local_cases(broker, topic: str, folder: Path, running: Pipeline) -> dict[str, dict]:
    """On local folders; what each place holds before is written first."""

    def case(name: str, *more: str, servers: str = broker.bootstrap, topic: str = topic, table: str = "table") -> dict:
        return {"flags": flags(servers, topic, str(folder / name / table), *more)}

    def record(seq: int, table: str, positions: dict | None = None, damage: str = "") -> None:
        claim = ledger.Claim(
            seq=seq, writer="w", host="h", application="a", time="t", table=table, quarantine=f"{table}_quarantine",
            positions=positions or {}, ids={}, last_batch=None,
        )  # fmt: skip
        Local().create(f"{table}_state/ledger/{ledger.name(seq)}", ledger.encoded(claim) + damage.encode())

    (folder / "a file").write_bytes(b"")
    for place in ("other's", "damaged", "lost"):
        record(0, f"{folder}/{place}/table", {topic: {"0": 10}}, "}" if place == "damaged" else "")
    Local().create(f"{folder}/no ledger/table/dt=1/file.parquet", b"")
    others = ("--state", f"{folder}/other's/table_state")
    known = running.job.flags
    return {
        "all well": case("all well", "--consumer-group", f"{topic}-lag"),
        "a pattern": case("a pattern") | {"flags": ["--topics-pattern", f"{topic}|{topic}-empty", *[
            flag for flag in case("a pattern")["flags"] if flag not in ("--topics", topic)]]},
        "beside a job": {"flags": [*known, "--consumer-group", f"{topic}-lag"]},
        "no such host": case("1", servers="nowhere.invalid:9092"),
        "a closed port": case("2", servers="127.0.0.1:9096"),
        "one closed port": case("3", servers=f"127.0.0.1:9,{broker.bootstrap}"),
        "no such topic": case("4", topic=f"{topic},nothing"),
        "it drops rows": case("5", "--transform", "tests.kit.odd:drops_some"),
        "it breaks": case("6", "--transform", "tests.kit.odd:breaks"),
        "a file for a folder": case("9", "--quarantine", str(folder / "a file" / "quarantine")),
        "the other's state": case("7", *others),
        "a damaged ledger": case("damaged"),
        "no ledger": case("no ledger"),
        "lost records": case("lost"),
        "lost records, noted": case("lost", "--on-data-loss", "record"),
        "a busy group": case("8", "--consumer-group", f"{topic}-busy"),
    }  # fmt: skip


def without(policy: dict, action: str, resource: str, *instead: str) -> dict:
    """The policy, but `action` is no more allowed on `resource`, only on what is named `instead`."""
    statements = []
    for statement in policy["Statement"]:
        if action in statement["Action"] and resource in listed(statement["Resource"]):
            rest = [other for other in statement["Action"] if other != action]
            statements += [statement | {"Action": rest}] if rest else []
            left = [*(other for other in listed(statement["Resource"]) if other != resource), *instead]
            statement = statement | {"Action": [action], "Resource": left}
        statements.append(statement)
    assert statements != policy["Statement"]
    return policy | {"Statement": statements}


def unlisted(policy: dict, *prefixes: str) -> dict:
    """The policy, but nothing with these prefixes may be listed."""
    text = json.dumps(policy)
    for prefix in prefixes:
        assert f'"{prefix}", ' in text
        text = text.replace(f'"{prefix}", ', "")
    return json.loads(text)


def s3_cases(s3: GuardedS3, broker, topic: str) -> dict[str, dict]:
    """Under the printed policy, and with one right less each."""
    less = {
        "all rights": lambda policy, at: policy,
        "no PutObject on the table": lambda policy, at: without(policy, "s3:PutObject", f"{at}/*"),
        "no PutObject on the ledger": lambda policy, at: without(
            policy, "s3:PutObject", f"{at}_state/*", f"{at}_state/staging/*", f"{at}_state/checkpoint/*"
        ),
        "no DeleteObject in staging": lambda policy, at: without(policy, "s3:DeleteObject", f"{at}_state/staging/*"),
        "no DeleteObject in the checkpoint": lambda policy, at: without(
            policy, "s3:DeleteObject", f"{at}_state/checkpoint/*"
        ),
        "no ListBucket on the quarantine": lambda policy, at: unlisted(
            policy, *(f"{at.rpartition('/')[2]}_quarantine{end}" for end in ("", "/*"))
        ),
        "no GetObject on the table": lambda policy, at: without(policy, "s3:GetObject", f"{at}/*"),
    }
    cases = {}
    for n, (name, lessen) in enumerate(less.items()):
        key = f"{topic}-{n}"
        table = f"s3://{s3.bucket}/{key}"
        places = {"table": table, "checkpoint": f"{table}_state/checkpoint"}
        policy = policies.job_role(policies.Asked(cluster=CLUSTER, topics=("any",), **places))
        policy = lessen(policy, f"arn:aws:s3:::{s3.bucket}/{key}")
        cases[f"s3: {name}"] = {
            "flags": flags(broker.bootstrap, topic, table, "--checkpoint", places["checkpoint"]),
            "files": {str(s3.policy): json.dumps(policy)},
        }
    return cases


class Checked(NamedTuple):
    said: dict[str, Said]
    running: Pipeline
    before: dict[str, bytes]
    after: dict[str, bytes]
    s3_keys: list[str]
    uploads: list


@pytest.fixture(scope="module")
def checked(broker, tmp_path_factory):
    """All cases at once, while a job runs."""
    folder = tmp_path_factory.mktemp("check")
    places, topic = folder / "places", folder.name
    places.mkdir()
    broker.create_topic(topic, 2)
    broker.create_topic(f"{topic}-empty")
    broker.produce(topic, [(b"k", b"id-%d" % n, None, START_MS, n % 2) for n in range(99)])
    broker.produce(topic, [(b"k", b"no", None, START_MS, 0)])
    broker.delete_records(topic, {0: 20})
    running = Pipeline(tmp_path_factory.mktemp("running"), broker)
    running.send(100)
    beside = running.job.start(*EVERY_SECOND)
    try:
        wait_until(complete(running), running.job)
        with GuardedS3(folder, {}) as s3, broker.member(f"{topic}-busy", topic):
            cases = local_cases(broker, topic, places, running) | s3_cases(s3, broker, topic)
            cases = {name: case for name, case in cases.items() if LINE == "4.1" or name in ON_35}
            before = everything(places)
            job = Job(folder, "s3://", environment=s3.environment)
            job.flags = ()
            said = answers(job, cases)
            keys = [item["Key"] for item in s3.client().list_objects_v2(Bucket=s3.bucket).get("Contents", [])]
            uploads = s3.client().list_multipart_uploads(Bucket=s3.bucket).get("Uploads", [])
        running.send(100)
        wait_until(complete(running), running.job)
        beside.terminate()
        assert ends(beside, running.job) == 0, running.job.said()[-3000:]
    finally:
        kill(beside)
    return Checked(said, running, before, everything(places), keys, uploads)


def test_where_all_is_well_each_check_says_what_it_found(checked):
    said = checked.said["all well"]
    assert said.code == 0
    wanted = {each.name for each in check.CHECKS} - ({"group"} if LINE != "4.1" else set())
    assert wanted <= set(said.lines)
    assert said.words("login").endswith(": partitions 2, records 80")
    assert said.words("offsets") == "80 offsets to read from --starting earliest on"
    assert "at offset 48, of 2026-11-01" in said.words("records")
    assert said.words("rows").endswith(": accepted")


@pytest.mark.newest
def test_a_topic_without_a_record_is_well_too(checked):
    said = checked.said["a pattern"]
    assert said.code == 0 and "-empty: no record yet" in said.words("records")


# The case → the checks that fail, those that are not tried then, and what the first of them says.
FAILING = {
    "no such host": ("names", "ports login leaders offsets records rows",
                     "--bootstrap-servers: nowhere.invalid:9092 has no address here"),
    "a closed port": ("ports", "login leaders offsets records rows",
                      "--bootstrap-servers: 127.0.0.1:9096 doesn't open (Connection refused): look at security groups "
                      "and routes; MSK has port 9096 for --auth scram, and for --auth none: private 9092"),
    "one closed port": ("ports", "", "--bootstrap-servers: 127.0.0.1:9 doesn't open (Connection refused)"),
    "no such topic": ("login", "leaders offsets records rows", "--topics: there is no topic "),
    "it drops rows": ("transform", "rows", "--transform: tests.kit.odd:drops_some must make one row of each record"),
    "it breaks": ("rows", "", "--transform: tests.kit.odd:breaks fails on "),
    "a file for a folder": ("quarantine", "publish", "--quarantine: "),
    "the other's state": ("ledger", "offsets", "--table: the ledger in "),
    "a damaged ledger": ("ledger", "offsets", "--state: ledger record 000000000000.json is damaged"),
    "no ledger": ("ledger", "offsets", "--state: "),
    "lost records": ("offsets", "", "{topic}-0: offsets 10 to 19 expired or were deleted"),
    "a busy group": ("group", "", "--consumer-group: {topic}-busy has 1 members"),
    "s3: no PutObject on the table": ("table", "publish", "--table: s3://{bucket}/{topic}-1: the job's role needs "
                                      "s3:PutObject there; `python -m emr policy job-role` prints"),
    "s3: no PutObject on the ledger": ("commits", "", "--state: s3://{bucket}/{topic}-2_state/ledger: the job's role "
                                       "needs s3:PutObject there"),
    "s3: no DeleteObject in staging": ("state", "publish spark", "--state: s3://{bucket}/{topic}-3_state/staging: the "
                                       "job's role needs s3:DeleteObject there"),
    "s3: no DeleteObject in the checkpoint": ("spark", "", "--checkpoint: s3://{bucket}/{topic}-4_state/checkpoint: "
                                              "the job's role needs s3:DeleteObject there"),
    "s3: no ListBucket on the quarantine": ("quarantine ledger", "publish offsets", "--quarantine: s3://{bucket}/"
                                            "{topic}-5_quarantine: the job's role needs s3:ListBucket there"),
    "s3: no GetObject on the table": ("table", "publish", "--table: s3://{bucket}/{topic}-6: the job's role needs "
                                      "s3:GetObject there"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILING)
def test_what_fails_is_named_and_the_rest_is_tried(case, checked):
    if case not in checked.said:
        pytest.skip("shown on Spark 4.1")
    failed, not_tried, begins = FAILING[case]
    said = checked.said[case]
    assert said.code == 1
    assert said.failed() == {*failed.split()} and said.not_tried() == {*not_tried.split()}
    words = said.words(failed.split()[0])
    topic = checked.said["all well"].words("login").partition(":")[0]
    assert words.startswith(begins.format(topic=topic, bucket=GuardedS3.bucket)), words


def test_with_the_printed_rights_all_is_well_and_nothing_is_left(checked):
    assert checked.said["s3: all rights"].code == 0
    may_not_delete = ("-3_state/staging/", "-4_state/checkpoint/")
    left = [key for key in checked.s3_keys if not any(place in key for place in may_not_delete)]
    assert not left and not checked.uploads


def test_no_folder_holds_more_or_less_than_before(checked):
    assert checked.after == checked.before


@pytest.mark.newest
def test_a_loss_that_would_be_noted_is_no_failure(checked):
    said = checked.said["lost records, noted"]
    assert said.code == 0
    assert "would be noted" in said.words("offsets")


def test_a_running_job_is_not_disturbed(checked):
    """It ended when it was asked to, by code 0, it alone has claimed the ledger, and its table is exact."""
    if LINE == "4.1":
        assert checked.said["beside a job"].code == 0
        assert " a batch of " in checked.said["beside a job"].words("ledger")
    assert {record.writer for record in checked.running.records()} == {checked.running.records()[0].writer}
    assert "restarted" not in checked.running.job.said()
    checked.running.assert_exact()


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secured")
    with SecuredBroker(folder / "broker") as broker:
        for topic in ("t", "u", "v"):
            broker.create_topic(topic)
            broker.produce(topic, [(b"k", b"id-1", None, None, 0)])
        principal = broker.principals["scram"]
        broker.allow(principal, topic="t", group="floodmark*")
        only = (AclOperation.DESCRIBE, AclPermissionType.ALLOW)
        describe = AclBinding(ResourceType.TOPIC, "u", ResourcePatternType.LITERAL, principal, "*", *only)
        settled(broker.admin.create_acls([describe]))
        login = {variable("username"): broker.user, variable("password"): broker.password}
        wrong = login | {variable("password"): "wrong"}
        scram = ("--auth", "scram", "--truststore", str(broker.files.ca_pem))

        def case(topic: str, *more: str, environment=login) -> dict:
            asked = flags(broker.at("scram"), topic, str(folder / "table"), *scram, *more)
            return {"flags": asked, "environment": environment}

        cases = {
            "well": case("t", "--consumer-group", "floodmark-lag"),
            "wrong password": case("t", environment=wrong),
            "no password": case("t", environment={}),
            "may not describe": case("v"),
            "may not read": case("t,u"),
            "may not use the group": case("t", "--consumer-group", "others"),
        }
        said = answers(Job(folder), cases)
        yield said, broker.secrets()


NOT_LOGGED_IN = {"leaders", "offsets", "records", "rows"}


@pytest.mark.newest
@pytest.mark.parametrize(
    "case, failed, not_tried, begins",
    [
        ("wrong password", "login", NOT_LOGGED_IN, "--auth, --secret: 127.0.0.1:"),
        ("no password", "brokers", {"names", "ports", "login", *NOT_LOGGED_IN}, "--secret: --auth scram needs more"),
        ("may not describe", "login", NOT_LOGGED_IN, "--topics: the principal may not read v; it needs READ"),
        ("may not read", "records", set(), "--topics: the principal may not read u; it needs READ and DESCRIBE"),
        ("may not use the group", "group", set(), "--consumer-group: the principal may not use others; it needs READ"),
    ],
)
def test_a_broker_that_refuses_is_understood(case, failed, not_tried, begins, secured):
    said, _ = secured
    assert said["well"].code == 0
    assert said[case].code == 1
    assert said[case].failed() == {failed} and said[case].not_tried() == not_tried
    assert said[case].words(failed).startswith(begins), said[case].words(failed)


@pytest.mark.newest
def test_no_secret_is_printed(secured):
    said, secrets = secured
    assert not [name for name, secret in secrets.items() if secret in str(said)]


@pytest.mark.newest
def test_it_runs_as_the_job_runs_and_a_wrong_flag_is_code_2(broker, folder, capsys):
    """By spark-submit; and by Python alone, which has no jars here and says where they are."""
    broker.create_topic(folder.name)
    given = flags(broker.bootstrap, folder.name, str(folder / "table"))
    job = Job(folder, *given)
    assert job.run(script=("jobs/check.py",)) == 0, job.said()
    assert "\nthe job would run\n" in job.said()

    assert check.main([*given, "--trigger", "often"]) == 2
    assert capsys.readouterr().err.startswith("check.py: --trigger: 'often' is not")

    python = [sys.executable, "-m", "jobs.check", *given]
    alone = subprocess.run(python, cwd=ROOT, env=job.environment, capture_output=True, text=True)
    said = understood(alone.returncode, alone.stdout.splitlines())
    assert said.failed() == {"login"}
    assert "PYSPARK_SUBMIT_ARGS='--jars … pyspark-shell'" in said.words("login")


def test_a_leader_that_is_out_of_reach_or_missing_is_named_with_its_partitions():
    class Brokers:
        def leaders(self, topics):
            return {"127.0.0.1:9096": ["t-0", "t-2"], "known:9092": ["t-1"], "": ["t-3"]}

    settings = parse(flags("known:9092", "t", "/tmp/table"))
    known = Known(
        settings, None, None, addresses=["known:9092"], brokers=Brokers(), held=Held(begin={}, end={}, ids={})
    )
    with pytest.raises(Failed) as failed:
        reaches_leaders(known)
    assert str(failed.value).startswith("--bootstrap-servers: 127.0.0.1:9096 doesn't open (Connection refused)")
    assert str(failed.value).endswith("the brokers name it for t-0; t-2; --topics: t-3 has no leader now")
