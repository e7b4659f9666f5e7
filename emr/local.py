"""`python -m emr.local SCRIPT [FLAGS…]`: spark-submit on a local master, with the jars it needs and a fast start."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from emr import jars

SPARK_SUBMIT = str(Path(sys.executable).with_name("spark-submit"))
LINE = ".".join(version("pyspark").split(".")[:2])
# The classes of a run, mapped into memory instead of parsed from 300 jars. A JVM that can't use it (another Java, other
# jars) starts without it and doesn't say so.
ARCHIVE = Path(sys.prefix) / "fast-start.jsa"
JVM = [
    # On two cores the threads of Java's own choice would take theirs from Spark; with more cores it wasn't measured.
    *(["-XX:+UseSerialGC"] if (os.cpu_count() or 1) <= 2 else []),
    # The optimising compiler starts ten times later: by default it spends a third of a small drain on code that plans
    # the first batch and is never used again. What each record goes through gets there within seconds all the same.
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
    "-Xlog:disable",
    "-Xlog:all=error:stderr",
]


def command(words: Sequence[str], java: str = "") -> list[str]:
    """spark-submit of a script and its flags; what `java` says of an archive replaces the one that is kept."""
    java = java or (f"-XX:SharedArchiveFile={ARCHIVE}" if ARCHIVE.exists() else "")
    options = " ".join([*JVM, java])
    return [SPARK_SUBMIT, "--master", "local[*]", "--driver-java-options", options, *words]


def environment(words: Sequence[str]) -> Mapping[str, str]:
    """What the command is run with. The jars are on the class path, behind Spark's own: --jars would copy them all, and
    no archive can hold the classes of such a jar."""
    s3 = any(re.search("s3a?://", word) for word in words)  # `--table=s3://…` too
    found = jars.paths([f"kafka-{LINE}", *([f"s3-{LINE}"] if s3 else [])])
    class_path = os.pathsep.join([*found, *filter(None, [os.environ.get("SPARK_DIST_CLASSPATH")])])
    return {"JAVA_HOME": jars.java_home(), "SPARK_DIST_CLASSPATH": class_path}


def main(words: Sequence[str]) -> int:
    try:
        given = environment(words)
    except jars.JarsError as error:
        print(error, file=sys.stderr)
        return 1
    program, *options = command(words)
    os.execve(program, [program, *options], {**os.environ, **given})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
