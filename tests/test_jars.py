import os
import re
import stat
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from emr import jars, java

TINY = jars.Jar("org.example", "tiny", "1.0")
TINY_ALL = jars.Jar("org.example", "tiny", "1.0", "all")
TINY_2 = jars.Jar("org.example", "tiny", "2.0")


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A Maven mirror of three tiny jars, all locked, the only one that is asked; and an empty cache."""
    for jar in (TINY, TINY_ALL, TINY_2):
        path = tmp_path / "mirror/org/example/tiny" / jar.version / jar.file
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("name.txt", str(jar))
    monkeypatch.setenv("FLOODMARK_MAVEN_MIRROR", (tmp_path / "mirror").as_uri())
    monkeypatch.setenv("FLOODMARK_JARS", str(tmp_path / "cache"))
    monkeypatch.setattr(jars, "LOCK", tmp_path / "jars.lock")
    locked(*((jars.sha256(mirrored(tmp_path, jar)), jar) for jar in (TINY, TINY_ALL, TINY_2)))
    return tmp_path


def locked(*rows):
    jars.LOCK.write_text("# a comment\n" + "".join(f"{digest}  {jar}  broker,s3-4.1\n" for digest, jar in rows))


def mirrored(folder: Path, jar: jars.Jar) -> Path:
    return folder / "mirror/org/example/tiny" / jar.version / jar.file


def in_cache(folder: Path) -> list[str]:
    return sorted(os.listdir(folder / "cache"))


def test_the_lock_has_every_set_and_only_whole_lines():
    lines = [line for line in jars.LOCK.read_text().splitlines() if not line.startswith("#")]
    for line in lines:
        digest, name, sets = line.split("  ")
        assert re.fullmatch("[0-9a-f]{64}", digest), line
        assert len(name.split(":")) in (3, 4), line
        assert set(sets.split(",")) <= set(jars.SETS), line
    for name, top in jars.SETS.items():
        in_set = {str(jar) for jar in jars.locked([name])}
        assert {*top.alone, *top.whole} <= in_set, name
    assert lines == sorted(lines, key=lambda line: jars.Jar(*line.split()[1].split(":")))


def test_no_two_locked_jars_share_a_file_name():
    files = Counter(jar.file for jar in jars.locked(jars.SETS))
    assert [file for file, count in files.items() if count > 1] == []


def test_a_cluster_line_has_one_version_of_everything():
    for line in ("3.5", "4.1"):
        modules = Counter((jar.group, jar.artifact) for jar in jars.locked([f"kafka-{line}", f"s3-{line}"]))
        assert [module for module, count in modules.items() if count > 1] == []


def test_fetch_brings_both_versions_and_the_classifier(mirror):
    assert jars.fetch(["broker"]) == 3
    assert in_cache(mirror) == ["tiny-1.0-all.jar", "tiny-1.0.jar", "tiny-2.0.jar"]
    for path, name in zip(jars.paths(["broker"]), (TINY, TINY_ALL, TINY_2), strict=True):
        assert zipfile.ZipFile(path).read("name.txt").decode() == str(name)


def test_a_broken_maven_home_changes_nothing(mirror, monkeypatch):
    pom = mirror / "home/.m2/repository/org/example/tiny/1.0/tiny-1.0.pom"
    pom.parent.mkdir(parents=True)
    pom.write_text("<project><modelVersion>4.0.0</modelVersion></project>")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"-Duser.home={mirror / 'home'}")
    assert jars.fetch(["broker"]) == 3
    assert os.listdir(mirror / "home") == [".m2"]


def test_a_second_fetch_starts_nothing(mirror, monkeypatch):
    jars.fetch(["broker"])
    monkeypatch.setattr(jars.subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    assert jars.fetch(["broker", "s3-4.1"]) == 0


def test_a_jar_that_went_missing_is_fetched_alone(mirror):
    jars.fetch(["broker"])
    (mirror / "cache" / TINY_2.file).unlink()
    assert jars.fetch(["broker"]) == 1
    assert len(in_cache(mirror)) == 3


def test_a_jar_that_is_not_the_locked_one_any_more_is_fetched_again(mirror):
    jars.fetch(["broker"])
    (mirror / "cache" / TINY.file).write_bytes(b"another")
    assert jars.fetch(["broker"]) == 1
    assert jars.sha256(mirror / "cache" / TINY.file) == jars.sha256(mirrored(mirror, TINY))


def test_a_wrong_checksum_is_refused_and_nothing_is_kept(mirror, capsys):
    good, bad = jars.sha256(mirrored(mirror, TINY)), "0" * 64
    locked((good, TINY), (bad, TINY_2))
    assert jars.main(["fetch", "broker"]) == 1
    said = capsys.readouterr().err
    got = jars.sha256(mirrored(mirror, TINY_2))
    assert said.count("\n") == 1
    assert f"{TINY_2} was refused" in said and bad in said and got in said
    assert in_cache(mirror) == []


def test_an_unreachable_mirror_is_one_clear_line(mirror, monkeypatch, capsys):
    monkeypatch.setenv("FLOODMARK_MAVEN_MIRROR", "http://127.0.0.1:1/maven2")
    assert jars.main(["fetch", "broker"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "3 of 3 jars could not be downloaded, org.example:tiny:1.0 for one" in said
    assert "Connection refused" in said and "check the network" in said


def test_path_says_what_to_fetch(mirror, capsys):
    assert jars.main(["path", "broker", "s3-4.1"]) == 1
    assert capsys.readouterr().err == (
        "tiny-1.0.jar is not there yet: run `python -m emr.jars fetch broker s3-4.1` first\n"
    )


def fake_home(folder: Path, version: str) -> Path:
    """A Java home whose `java` says that it is `version`, and repeats its arguments."""
    script = folder / "bin" / "java"
    script.parent.mkdir(parents=True)
    script.write_text(
        f'#!/bin/sh\necho "    java.home = {folder}" >&2\necho "    java.specification.version = {version}" >&2\n'
        'printf "[%s]" "$@"\n'
    )
    script.chmod(0o755)
    return folder


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """Java 17 as JAVA_HOME, on the PATH and in the wheel: three different ones."""
    found = {name: fake_home(tmp_path / name, "17") for name in ("env", "path", "wheel")}
    monkeypatch.setenv("JAVA_HOME", str(found["env"]))
    monkeypatch.setenv("PATH", str(found["path"] / "bin"))
    monkeypatch.setattr(java, "wheel_home", lambda: str(found["wheel"]))
    monkeypatch.setenv("FLOODMARK_JARS", str(tmp_path / "cache"))
    return found


def test_java_home_is_first_of_all_JAVA_HOME(homes):
    assert java.java_home() == str(homes["env"])


def test_java_home_is_next_the_java_on_the_path(homes, tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(fake_home(tmp_path / "old", "11")))
    assert java.java_home() == str(homes["path"])


def test_java_home_is_last_the_wheel_without_the_option_it_cannot_take(homes, tmp_path, monkeypatch):
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(fake_home(tmp_path / "new", "21") / "bin"))
    found = Path(java.java_home())
    assert found == tmp_path / "cache/java"
    assert (found / "bin/java").stat().st_mode & stat.S_IXUSR
    command = [str(found / "bin/java"), "-Da=b c", "--add-modules=jdk.incubator.vector", "-version"]
    assert java.subprocess.run(command, capture_output=True, text=True).stdout == "[-Da=b c][-version]"


def test_no_java_17_says_what_was_found(homes, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", str(fake_home(tmp_path / "new", "21") / "bin"))
    monkeypatch.setattr(java, "wheel_home", lambda: "")
    assert jars.main(["java"]) == 1
    assert capsys.readouterr().err == (
        "Java 17 not found (JAVA_HOME is not a Java, java on the PATH is 21); install one and set JAVA_HOME to it\n"
    )
