"""The job on a local master: what `make run` starts."""

import subprocess
import sys

from emr import local

FLAGS = ["jobs/rebuild.py", "--table"]


def class_path(*words: str) -> str:
    return local.environment(words)["SPARK_DIST_CLASSPATH"]


def test_only_a_run_that_names_s3_has_its_jars(monkeypatch):
    monkeypatch.setenv("SPARK_DIST_CLASSPATH", "/mine.jar")
    here = class_path(*FLAGS, "/tmp/t")
    assert "spark-sql-kafka" in here and "hadoop-aws" not in here and here.endswith(":/mine.jar")
    for words in ([*FLAGS, "s3://b/t"], [*FLAGS, "s3a://b/t"], ["jobs/rebuild.py", "--table=s3://b/t"]):
        assert "hadoop-aws" in class_path(*words)


def test_the_archive_is_used_once_it_is_there(monkeypatch, tmp_path):
    monkeypatch.setattr(local, "ARCHIVE", tmp_path / "a.jsa")
    assert "SharedArchiveFile" not in " ".join(local.command(FLAGS))
    (tmp_path / "a.jsa").touch()
    assert f"-XX:SharedArchiveFile={tmp_path}/a.jsa" in " ".join(local.command(FLAGS))


def test_a_script_runs_and_its_exit_code_comes_through_also_with_a_broken_archive(tmp_path):
    broken = tmp_path / "broken.jsa"
    broken.touch()
    run = f"from pathlib import Path; from emr import local; local.ARCHIVE = Path({str(broken)!r}); "
    run += f"local.main(['jobs/rebuild.py', '--table', {str(tmp_path / 'none')!r}])"
    done = subprocess.run(
        [sys.executable, "-c", run], capture_output=True, text=True, cwd=local.Path(local.__file__).parents[1]
    )
    assert (done.returncode, "rebuild.py: " in done.stdout + done.stderr) == (4, True), done
