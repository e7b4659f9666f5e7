"""A secret is seen by nobody: planted as a canary wherever one can be given, and looked for wherever one could show."""

import contextlib
import json
import re
import time
import urllib.request
from pathlib import Path

import boto3

from tests.kit.broker import free_ports
from tests.kit.job import kill
from tests.kit.pipeline import Pipeline
from tests.kit.s3 import CREDENTIALS

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
    events = folder / "events"
    events.mkdir()
    (port,) = free_ports(1)
    conf = {
        "spark.ui.enabled": "true",
        "spark.ui.port": port,
        "spark.log.level": "INFO",
        "spark.driver.host": "127.0.0.1",
    }
    conf |= {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": f"file://{events}",
        "spark.redaction.regex": "mine",
    }
    submit = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    login = ["--auth", "scram", "--secret", folder.name, "--kafka-option", "security.protocol=PLAINTEXT"]
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
    places = {"log": pipeline.job.said(), "process list": commands, **pages}
    kept = [file for file in folder.rglob("*") if file.is_file() and file.name != "job.log"]
    places |= {str(file): file.read_text(errors="replace") for file in kept}
    assert "ingest.py" in commands and any("events" in place for place in places)
    plans = [address for address in pages if "SQL/execution" in address or "StreamingQuery/statistics" in address]
    assert plans, list(pages)
    found = {place: sorted(set(re.findall(r"canary-\w+", text))) for place, text in places.items()}
    assert {place: names for place, names in found.items() if names} == {}
