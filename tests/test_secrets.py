"""A secret is seen by nobody: planted as a canary wherever one can be given, and looked for wherever one could show."""

import contextlib
import json
import re
import time
import urllib.request
from pathlib import Path

import boto3
import pytest

from tests.kit.broker import free_ports
from tests.kit.job import kill
from tests.kit.pipeline import Pipeline
from tests.kit.s3 import CREDENTIALS
from tests.test_ingest import DRAIN

PAGES = ["environment/", "SQL/", "StreamingQuery/", "jobs/", "stages/", "executors/"]


def canaries() -> dict[str, str]:
    """A secret of each kind: what Kafka takes as text, by the property or the credential."""
    names = ["password", "ssl.keystore.key", "ssl.keystore.certificate.chain", "ssl.key.password"]
    names += ["ssl.keystore.password", "ssl.truststore.password", "ssl.truststore.certificates"]
    return {name: f"canary-{number}" for number, name in enumerate(names)}


def shown(port: int, links: int = 40) -> dict[str, str]:
    """The UI's pages and what they link to, and its REST interface, by address."""
    base, seen = f"http://127.0.0.1:{port}/", {}
    (application,) = json.loads(fetched(f"{base}api/v1/applications"))
    rest = f"api/v1/applications/{application['id']}/"
    todo = [base + page for page in PAGES] + [f"{base}{rest}{what}" for what in ("environment", "sql?details=true")]
    while todo and len(seen) < links:
        address = todo.pop(0)
        seen[address] = fetched(address)
        for link in re.findall(r'href="/?((?:SQL|StreamingQuery|jobs|stages)/[^"]+)"', seen[address]):
            if (found := base + link.replace("&amp;", "&")) not in seen and found not in todo:
                todo.append(found)
    return seen


def fetched(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read().decode(errors="replace")


def command_lines(process) -> str:
    """What any user of the machine sees of the job's processes."""
    lines = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[2]) == process.pid:
                lines.append((entry / "cmdline").read_text())
    return "\n".join(lines)


def found(places: dict[str, str]) -> dict[str, list[str]]:
    """The canaries seen, by the place."""
    seen = {place: sorted(set(re.findall(r"canary-\w+", text))) for place, text in places.items()}
    return {place: names for place, names in seen.items() if names}


def files(folder: Path) -> dict[str, str]:
    """What a job left: table, ledger, checkpoint, event log, and all it said."""
    found = {str(file): file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file()}
    assert "SparkListenerApplicationStart" in "".join(found.values()), "an event log that can be read is among them"
    return found


def logged(folder: Path, **more: str) -> list[str]:
    """What spark-submit is told so that Spark writes down as much as it can."""
    events = folder / "events"
    events.mkdir()
    conf = {"spark.log.level": "INFO", "spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file://{events}"}
    conf["spark.eventLog.compress"] = "false"  # else nothing could be found in it
    return [word for name, value in (conf | more).items() for word in ("--conf", f"{name}={value}")]


@pytest.mark.soak
def test_a_job_that_dies_of_its_records_shows_no_secret(folder, broker):
    """Six times, and its last words are Java's stack."""
    pipeline = Pipeline(folder, broker, transform="tests.kit.odd:breaks")
    pipeline.send(10)
    pipeline.job.environment |= {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "canary-aws",
        "AWS_SESSION_TOKEN": "canary-session",
        "FLOODMARK_CLIENT_ID": "reader",
        "FLOODMARK_CLIENT_SECRET": "canary-oauth",
        "FLOODMARK_PASSWORD": "canary-password",
        "FLOODMARK_SSL_KEYSTORE_KEY": "-----BEGIN PRIVATE KEY-----\ncanary-pem\n-----END PRIVATE KEY-----",
    }
    login = "--auth oauthbearer --token-endpoint https://127.0.0.1:1/ --kafka-option security.protocol=PLAINTEXT"
    assert pipeline.job.run(*DRAIN, *login.split(), script=(*logged(folder), "jobs/ingest.py")) == 1
    assert "ingest.py: the query died 6 times" in pipeline.job.said() and "broken: id-" in pipeline.job.said()
    places = files(folder)
    assert found(places) == {}


def test_a_secret_shows_nowhere(folder, broker, s3):
    """The login is unused, for the broker has none; what Spark shows of it doesn't depend on that."""
    planted = canaries()
    secret = boto3.client(
        "secretsmanager", endpoint_url=s3.url, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip
    secret.create_secret(Name=folder.name, SecretString=json.dumps({"username": "u", **planted}))
    pipeline = Pipeline(folder, broker)
    pipeline.send(400)
    pipeline.job.environment |= {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER": s3.url,
        "FLOODMARK_SASL_LOGIN_TOKEN": "canary-env",
    }
    (port,) = free_ports(1)
    conf = {"ui.enabled": "true", "ui.port": port, "driver.host": "127.0.0.1", "redaction.regex": "mine"}
    submit = logged(folder, **{f"spark.{name}": value for name, value in conf.items()})
    login = ["--auth", "scram", "--secret", folder.name, "--kafka-option", "security.protocol=PLAINTEXT"]
    login += ["--checkpoint", str(folder / "checkpoint")]
    process = pipeline.job.start(*login, "--trigger", "1s", script=(*submit, "jobs/ingest.py"))
    try:
        end = time.monotonic() + 120
        while '"batch"' not in pipeline.job.said() and time.monotonic() < end:
            time.sleep(0.5)
        pages, commands = shown(port), command_lines(process)
        process.terminate()
        assert process.wait(60) == 0, pipeline.job.said()[-3000:]
    finally:
        kill(process)
    pipeline.assert_exact()
    places = {"process list": commands, **pages, **files(folder)}
    assert "ingest.py" in commands
    plans = [address for address in pages if "SQL/execution" in address or "StreamingQuery/statistics" in address]
    assert plans, list(pages)
    assert found(places) == {}
