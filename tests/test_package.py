"""What `python -m emr package` makes: the same bytes each time, a boto3 for a bare Python, one upload of each file."""

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from emr import artefacts, jars
from emr.__main__ import main
from jobs import LIBRARIES

ROOT = Path(__file__).parents[1]
LINE = "4.1"


@pytest.fixture
def jar(tmp_path, monkeypatch):
    """Locked jars without a download: one small file stands in for them."""
    path = tmp_path / "jars" / "kafka-clients-3.9.1.jar"
    path.parent.mkdir()
    path.write_bytes(b"a jar")
    monkeypatch.setattr(jars, "fetch", lambda sets: 0)
    monkeypatch.setattr(jars, "paths", lambda sets: [str(path)])


@pytest.fixture
def unpacked(tmp_path):
    """A driver's working folder: the libraries unpacked as Spark does it, and the code."""
    for target, files in (("libraries.zip", artefacts.libraries()), ("code.zip", code())):
        artefacts.zipped(tmp_path / target, files)
    zipfile.ZipFile(tmp_path / "libraries.zip").extractall(tmp_path / LIBRARIES)
    return tmp_path


def code() -> dict[str, Path]:
    return {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "jobs").rglob("*.py")}


def bare(folder: Path, program: str) -> str:
    """What a Python without any installed package prints, started in `folder` with the code as Spark gives it."""
    environment = {"PYTHONPATH": str(folder / "code.zip"), "AWS_DEFAULT_REGION": "eu-west-1"}
    command = [sys.executable, "-S", "-c", program]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_bytes_are_the_same_whenever_they_are_made(tmp_path, jar):
    first, second = (artefacts.build(tmp_path / name, LINE) for name in ("a", "b"))
    assert first == second
    for name, digest in first.items():
        assert hashlib.sha256((tmp_path / "b" / name).read_bytes()).hexdigest() == digest


def test_a_zip_depends_on_nothing_but_names_and_bytes(tmp_path):
    zips = []
    for number, names in enumerate((["b.py", "a.py"], ["a.py", "b.py"])):
        files = {}
        for name in names:
            files[name] = tmp_path / str(number) / name
            files[name].parent.mkdir(exist_ok=True)
            files[name].write_text(name)
            os.utime(files[name], (10**9 * (number + 1),) * 2)
            files[name].chmod(0o700 if number else 0o644)
        artefacts.zipped(tmp_path / "zip", files)
        zips.append((tmp_path / "zip").read_bytes())
    assert zips[0] == zips[1]


def test_the_code_is_jobs_and_transforms_and_nothing_else(tmp_path, jar):
    artefacts.build(tmp_path, LINE)
    names = zipfile.ZipFile(tmp_path / "code.zip").namelist()
    assert {"jobs/ingest.py", "jobs/__init__.py", "transforms/access_log.py"} <= set(names)
    assert names == sorted(names) and all(re.fullmatch(r"(jobs|transforms)/\w+\.py", name) for name in names)


def test_a_driver_without_boto3_finds_the_packaged_one(unpacked):
    program = "import jobs, boto3, botocore; print(boto3.__file__); print(botocore.__file__)"
    for line in bare(unpacked, program).splitlines():
        assert Path(line).is_relative_to(unpacked.resolve() / LIBRARIES)


def test_every_service_that_the_job_asks_is_in_the_archive(unpacked):
    asked = {
        name
        for path in (ROOT / "jobs").glob("*.py")
        for name in re.findall(r'client\(\s*"([a-z0-9-]+)"', path.read_text())
    }
    assert asked == set(artefacts.SERVICES)
    program = f"import jobs, boto3; print([boto3.client(name).meta.region_name for name in {sorted(asked)}])"
    assert bare(unpacked, program).count("eu-west-1") == len(asked)


def test_botocore_can_not_be_used_from_inside_of_a_zip(unpacked):
    """Why the archive is unpacked and not one of --py-files."""
    program = """
import sys
sys.path.insert(0, "libraries.zip")
import boto3
try:
    boto3.client("s3")
except Exception as error:
    print(error)"""
    assert "Unable to load data" in bare(unpacked, program)


def test_the_archive_has_all_that_boto3_needs():
    needed, seen = ["boto3"], set()
    while needed:
        name = needed.pop()
        seen.add(name)
        for text in artefacts.importlib.metadata.requires(name) or ():
            if "extra ==" not in text:
                needed.append(re.match(r"[A-Za-z0-9_-]+", text)[0])
    assert seen == set(artefacts.DISTRIBUTIONS)


@pytest.fixture
def upload(s3, tmp_path, jar, monkeypatch, capsys):
    """A function: runs `package --to` a prefix of its own; the exit code, and what was said on stderr."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    place = f"s3://{s3.bucket}/{tmp_path.name}"

    def run(*more: str) -> tuple[int, str]:
        code = main(["package", "--dist", str(tmp_path / "dist"), "--to", place, *more])
        return code, capsys.readouterr().err

    return run


def keys(s3, tmp_path: Path) -> dict[str, str]:
    found = s3.client().list_objects_v2(Bucket=s3.bucket, Prefix=f"{tmp_path.name}/").get("Contents", [])
    return {item["Key"]: item["ETag"] for item in found}


def test_each_file_is_uploaded_once_under_its_digest(upload, s3, tmp_path):
    assert upload()[0] == 0
    listed = json.loads(next((tmp_path / "dist").glob("*/spark-4.1-*.json")).read_text())
    first = keys(s3, tmp_path)
    files = {f"{tmp_path.name}/{digest[:16]}/{name}" for name, digest in listed["files"].items()}
    (own,) = set(first) - files
    assert files < set(first) and re.fullmatch(rf"{tmp_path.name}/spark-4.1-[0-9a-f]{{8}}\.json", own)
    code, said = upload()
    assert code == 0 and "uploading" not in said and f"{len(files)} of {len(files)} files were there already" in said


def test_what_was_uploaded_is_named_by_the_list(upload, s3, tmp_path):
    upload()
    path = next((tmp_path / "dist").glob("*/spark-4.1-*.json"))
    named = artefacts.read(str(path), "4.1")
    uris = [named.entry, named.code, named.libraries, *named.jars, named.logging, named.pod]
    assert {uri.removeprefix(f"s3://{s3.bucket}/") for uri in uris} <= set(keys(s3, tmp_path))


def test_the_list_of_an_earlier_version_stays_and_can_be_read_from_s3(upload, s3, tmp_path, jar, capsys):
    upload()
    (first,) = (tmp_path / "dist").glob("*/spark-4.1-*.json")
    next((tmp_path / "jars").iterdir()).write_bytes(b"another jar")
    upload()
    upload("--dry-run")
    lists = list((tmp_path / "dist").glob("*/spark-4.1-*.json"))
    assert first in lists and len(lists) == 3
    assert artefacts.read(f"s3://{s3.bucket}/{tmp_path.name}/{first.name}", "4.1") == artefacts.read(str(first), "4.1")
    with pytest.raises(artefacts.Refused, match="no list that `package` wrote"):
        artefacts.read(f"s3://{s3.bucket}/{tmp_path.name}/nothing.json", "4.1")


def test_a_dry_run_uploads_nothing_and_says_what_it_would(upload, s3, tmp_path):
    code, said = upload("--dry-run")
    assert code == 0 and "would upload" in said and not keys(s3, tmp_path)


def test_a_bucket_that_is_not_there_is_one_line(upload, s3, tmp_path, capsys):
    code, said = upload("--to", "s3://no-such-bucket-here/code")
    (line,) = (line for line in said.splitlines() if not line.startswith("# "))
    assert code == 1 and "no-such-bucket-here" in line


@pytest.mark.parametrize(
    ("list_of_files", "line", "why"),
    [
        ('{"spark": "4.1", "place": null, "files": {}}', "4.1", "nothing was uploaded"),
        ('{"spark": "3.5", "place": "s3://b", "files": {}}', "4.1", "is for Spark 3.5"),
        ("{}", "4.1", "no list"),
        ("[]", "4.1", "no list"),
        ("", "4.1", "no list"),
    ],
)
def test_a_list_that_is_of_no_use_is_refused(tmp_path, list_of_files, line, why):
    path = tmp_path / "list.json"
    path.write_text(list_of_files)
    with pytest.raises(artefacts.Refused, match=why):
        artefacts.read(str(path), line)
