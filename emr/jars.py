"""The jars of laptop and cluster, from one locked list: `python -m emr.jars fetch|path|java|lock [SET...]`.

`jars.lock` names every jar by Maven coordinate and SHA-256. The Ivy that pyspark ships downloads them into `.jars/`
(or FLOODMARK_JARS), from Maven Central (or FLOODMARK_MAVEN_MIRROR).
"""

import argparse
import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

from emr.java import JarsError, cache, java_home

LOCK = Path(__file__).with_name("jars.lock")

HEADER = """\
# Every jar Floodmark runs with: SHA-256, Maven coordinate, the sets it is in.
# Written by `python -m emr.jars lock` from the table in emr/jars.py.
"""


class Jar(NamedTuple):
    group: str
    artifact: str
    version: str
    classifier: str = ""

    @property
    def file(self) -> str:
        return "-".join(filter(None, self[1:])) + ".jar"

    def __str__(self) -> str:
        return ":".join(filter(None, self))


class Top(NamedTuple):
    """What a set is made of: coordinates taken alone, coordinates with all they need, groups that pyspark ships."""

    alone: Sequence[str]
    whole: Sequence[str] = ()
    shipped: Sequence[str] = ()


def _kafka(scala: str, spark: str, clients: str, pool: str) -> Top:
    return Top(
        [
            f"org.apache.spark:spark-sql-kafka-0-10_{scala}:{spark}",
            f"org.apache.spark:spark-token-provider-kafka-0-10_{scala}:{spark}",
            f"org.apache.kafka:kafka-clients:{clients}",
            f"org.apache.commons:commons-pool2:{pool}",
            "software.amazon.msk:aws-msk-iam-auth:2.3.5:all",
        ]
    )


def _yarn(hadoop: str) -> Top:
    """YARN's servers, for tests: of the version that pyspark has, with what neither of them has."""
    return Top(
        [f"org.apache.hadoop:hadoop-client-minicluster:{hadoop}"]
        + [f"org.bouncycastle:{module}-jdk18on:1.78.1" for module in ("bcprov", "bcpkix", "bcutil")]
        + ["javax.xml.bind:jaxb-api:2.3.1", "javax.activation:javax.activation-api:1.2.0"]
        + ["com.sun.xml.bind:jaxb-impl:2.3.9", "com.sun.xml.bind:jaxb-core:2.3.0.1"]
    )


# The modules of the AWS SDK that S3A loads, not the SDK's bundle: 7 and 12 MB instead of 280 and 640.
SETS = {
    "broker": Top([], ["org.apache.kafka:kafka_2.13:4.1.1", "org.slf4j:slf4j-simple:1.7.36"]),
    "kafka-3.5": _kafka("2.12", "3.5.7", "3.4.1", "2.11.1"),
    "kafka-4.1": _kafka("2.13", "4.1.1", "3.9.1", "2.12.1"),
    "s3-3.5": Top(
        ["org.apache.hadoop:hadoop-aws:3.3.4"],
        [f"com.amazonaws:aws-java-sdk-{module}:1.12.262" for module in ("s3", "sts", "dynamodb")],
        ["com.fasterxml.jackson.core", "commons-codec", "commons-logging", "joda-time", "org.apache.httpcomponents"],
    ),
    "s3-4.1": Top(
        ["org.apache.hadoop:hadoop-aws:3.4.2"],
        ["software.amazon.s3.analyticsaccelerator:analyticsaccelerator-s3:1.2.1"]
        + [
            f"software.amazon.awssdk:{module}:2.29.52"
            for module in ("apache-client", "netty-nio-client", "s3", "s3-transfer-manager", "sts")
        ],
        ["commons-codec", "commons-logging", "io.netty", "org.apache.httpcomponents", "org.slf4j"],
    ),
    "yarn-3.5": _yarn("3.3.4"),
    "yarn-4.1": _yarn("3.4.2"),
}

# Ivy sees this cache and this resolver only, so what lies in ~/.m2 or ~/.ivy2 changes nothing.
SETTINGS = """\
<ivysettings>
  <settings defaultResolver="public" defaultConflictManager="{conflicts}"/>
  <caches defaultCacheDir={folder} artifactPattern="jars/[organisation]~[artifact]~[revision](~[classifier]).[ext]"/>
  <timeout-constraints>
    <timeout-constraint name="patient" connectionTimeout="15000" readTimeout="60000"/>
  </timeout-constraints>
  <resolvers>
    <ibiblio name="public" m2compatible="true" usepoms="{poms}" timeoutConstraint="patient" {root}/>
  </resolvers>
</ivysettings>
"""
MODULE = """\
<ivy-module version="2.0" xmlns:m="http://ant.apache.org/ivy/maven">
  <info organisation="floodmark" module="jars"/>
  <configurations><conf name="default"/></configurations>
  <dependencies defaultconf="default->default">
{dependencies}
  </dependencies>
</ivy-module>
"""
# How Ivy's lines of trouble read, the most telling first.
TROUBLE = ["access error", "exception", "invalid", "failed", "not found"]


def resolved(folder: Path, alone: Iterable[Jar], whole: Iterable[Jar] = ()) -> tuple[dict[Jar, Path], str]:
    """Where in `folder` Ivy put `alone`, and `whole` with all they need; and its first words of trouble, if any."""
    mirror = os.environ.get("FLOODMARK_MAVEN_MIRROR")
    settings = SETTINGS.format(
        folder=quoteattr(str(folder)),
        root=f"root={quoteattr(mirror.rstrip('/') + '/')}" if mirror else "",
        poms="true" if whole else "false",
        conflicts="latest-revision" if whole else "all",
    )
    (folder / "settings.xml").write_text(settings)
    (folder / "ivy.xml").write_text(MODULE.format(dependencies="\n".join(dependencies(alone, whole))))
    command = [f"{java_home()}/bin/java", "-jar", ivy_jar(), "-settings", "settings.xml", "-ivy", "ivy.xml"]
    ivy = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = [line.strip() for line in ivy.stdout.splitlines()]
    trouble = [line for word in TROUBLE for line in said if word in line.lower()]
    return {Jar(*jar.stem.split("~")): jar for jar in folder.glob("jars/*.jar")}, "".join(trouble[:1])


def dependencies(alone: Iterable[Jar], whole: Iterable[Jar]) -> Iterator[str]:
    """The lines of Ivy's module file: one a module and version, for Ivy takes only the first of several."""
    for jar in whole:
        yield f'    <dependency org="{jar.group}" name="{jar.artifact}" rev="{jar.version}"/>'
    for (group, artifact, version), jars in groupby(sorted(alone), key=lambda jar: jar[:3]):
        yield f'    <dependency org="{group}" name="{artifact}" rev="{version}" transitive="false">'
        for jar in jars:
            classifier = f' m:classifier="{jar.classifier}"' if jar.classifier else ""
            yield f'      <artifact name="{artifact}" type="jar" ext="jar"{classifier}/>'
        yield "    </dependency>"


def ivy_jar() -> str:
    """The Ivy that pyspark ships."""
    spec = importlib.util.find_spec("pyspark")
    found = sorted(Path(spec.origin).parent.glob("jars/ivy-*.jar")) if spec else []
    if not found:
        raise JarsError("pyspark, whose Ivy downloads the jars, is not installed here; `make setup` installs it")
    return str(found[-1])


def sha256(path: Path) -> str:
    """The digest of the file at `path`, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def locked(sets: Iterable[str]) -> dict[Jar, str]:
    """The jars of `sets` with their SHA-256, as the lock has them."""
    wanted = set(sets)
    if unknown := wanted - set(SETS):
        raise JarsError(f"no such set of jars: {', '.join(sorted(unknown))}; there are {', '.join(SETS)}")
    rows = [line.split() for line in LOCK.read_text().splitlines() if line and not line.startswith("#")]
    return {Jar(*name.split(":")): digest for digest, name, in_sets in rows if wanted & set(in_sets.split(","))}


def lies(path: Path, digest: str) -> bool:
    """Whether the file is there, and whole."""
    return path.exists() and sha256(path) == digest


def fetch(sets: Iterable[str], folder: Path | None = None) -> int:
    """Every jar of `sets` lies in `folder` with its SHA-256; how many had to be downloaded."""
    folder = Path(folder or cache())
    missing = {jar: digest for jar, digest in locked(sets).items() if not lies(folder / jar.file, digest)}
    if not missing:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder) as temporary:
        arrived, trouble = resolved(Path(temporary), missing)
        for jar in missing.keys() & arrived.keys():
            if (got := sha256(arrived[jar])) != missing[jar]:
                raise JarsError(
                    f"{jar} was refused: its SHA-256 should be {missing[jar]} and is {got}; nothing was kept"
                )
        for jar in missing.keys() & arrived.keys():
            os.replace(arrived[jar], folder / jar.file)
    if late := sorted(missing.keys() - arrived.keys()):
        raise JarsError(
            f"{len(late)} of {len(missing)} jars could not be downloaded, {late[0]} for one ({trouble}); "
            "check the network, or set FLOODMARK_MAVEN_MIRROR to a Maven mirror's URL, and run it again"
        )
    return len(missing)


def paths(sets: Iterable[str], folder: Path | None = None) -> list[str]:
    """The files of `sets`, for --jars and class paths; each one is there."""
    sets = list(sets)
    files = [Path(folder or cache()) / jar.file for jar in locked(sets)]
    if absent := [file for file in files if not file.exists()]:
        raise JarsError(f"{absent[0].name} is not there yet: run `python -m emr.jars fetch {' '.join(sets)}` first")
    return [str(file) for file in files]


def lock() -> None:
    """The lock holds what `SETS` resolves to today."""
    rows: dict[Jar, tuple[str, list[str]]] = {}
    for name, top in SETS.items():
        with tempfile.TemporaryDirectory() as temporary:
            alone, whole = ([Jar(*text.split(":")) for text in texts] for texts in (top.alone, top.whole))
            found, trouble = resolved(Path(temporary), alone, whole)
            if absent := {*alone, *whole} - found.keys():
                raise JarsError(f"{min(absent)} did not resolve ({trouble}); the lock is as it was")
            for jar, path in found.items():
                if jar.group not in top.shipped:
                    rows.setdefault(jar, (sha256(path), []))[1].append(name)
    lines = [f"{digest}  {jar}  {','.join(sets)}\n" for jar, (digest, sets) in sorted(rows.items())]
    LOCK.write_text(HEADER + "".join(lines))


def main(arguments: list[str] | None = None) -> int:
    """What was asked on the command line is done; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m emr.jars", description=__doc__, allow_abbrev=False)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, help in {"fetch": "download what is missing", "path": "print the files, comma-separated"}.items():
        verbs.add_parser(verb, help=help).add_argument("sets", metavar="SET", nargs="+", choices=list(SETS))
    verbs.add_parser("java", help="print the Java home to use")
    verbs.add_parser("lock", help="resolve again and rewrite jars.lock")
    asked = parser.parse_args(arguments)
    try:
        if asked.verb == "fetch":
            print(f"{fetch(asked.sets)} jars downloaded", file=sys.stderr)
        elif asked.verb == "path":
            print(",".join(paths(asked.sets)))
        elif asked.verb == "java":
            print(java_home())
        else:
            lock()
    except JarsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
