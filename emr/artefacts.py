"""The files that a cluster needs, with reproducible bytes, and the list of them: what a request names as `s3://…`.

The list, `spark-<line>-<digest>.json`, has each file's SHA-256, and the place that they and it are uploaded to. There
a file has its digest in its key: no key ever holds something else, and a running job keeps its files when a new version
comes.
"""

import hashlib
import importlib.metadata
import json
import re
import shutil
import zipfile
from pathlib import Path
from typing import NamedTuple

from emr import aws, jars
from jobs import flags
from jobs.settings import Refused

ROOT = Path(__file__).parents[1]
ROOMS = ("jobs", "transforms")
ENTRIES = ("ingest.py", "check.py", "replay.py", "rebuild.py")
CODE, LIBRARIES, LOGGING, POD = "code.zip", "libraries.zip", "log4j2.properties", "driver-pod.yaml"
# boto3 and all it needs, and what the job asks AWS for. botocore opens its service models as files, which it can't do
# inside of a zip: so this archive is one that Spark unpacks.
DISTRIBUTIONS = ("boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3")
SERVICES = ("kafka", "s3", "secretsmanager", "sts")
EPOCH = (1980, 1, 1, 0, 0, 0)


class Artefacts(NamedTuple):
    """Where a request finds the files."""

    entry: str
    code: str
    libraries: str
    jars: tuple[str, ...]
    logging: str
    pod: str


def packaged(transform: str) -> bool:
    """Whether the module of `package.module:function` is among the files of the rooms, as they are here."""
    module = transform.partition(":")[0].split(".")
    return module[0] in ROOMS and (ROOT.joinpath(*module).with_suffix(".py")).is_file()


def version() -> str:
    return importlib.metadata.version("floodmark")


def build(folder: Path, line: str) -> dict[str, str]:
    """Every file for the Spark line lies in `folder`; the SHA-256 of each. The jars have been fetched."""
    folder.mkdir(parents=True, exist_ok=True)
    zipped(
        folder / CODE,
        {path.relative_to(ROOT).as_posix(): path for room in ROOMS for path in (ROOT / room).rglob("*.py")},
    )
    zipped(folder / LIBRARIES, libraries())
    sources = [*(ROOT / "jobs" / name for name in ENTRIES), *(ROOT / "emr" / name for name in (LOGGING, POD))]
    copied = [Path(path) for path in (*sources, *jars.paths([f"kafka-{line}"]))]
    for path in copied:
        shutil.copyfile(path, folder / path.name)
    return {name: jars.sha256(folder / name) for name in sorted([CODE, LIBRARIES, *(path.name for path in copied)])}


def zipped(target: Path, files: dict[str, Path]) -> None:
    """A zip of `files` whose bytes depend on nothing but theirs: not packed, for zlib's versions pack differently."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system, entry.external_attr = 3, 0o100644 << 16
            archive.writestr(entry, files[name].read_bytes())


def libraries() -> dict[str, Path]:
    """The files of boto3 and what it needs as they are installed here, with the models of the job's services only."""
    services = rf"(?!({'|'.join(SERVICES)})/(?!examples-))"
    unwanted = re.compile(rf"\.\.|.*\.dist-info/|.*__pycache__|botocore/data/{services}[^/]+/|boto3/(data|examples)/")
    files = [file for name in DISTRIBUTIONS for file in importlib.metadata.files(name) or ()]
    found = {file.as_posix(): Path(file.locate()) for file in files if not unwanted.match(file.as_posix())}
    if compiled := [name for name in found if re.search(r"\.(so|pyd|dylib)$", name)]:
        raise jars.JarsError(f"{compiled[0]} is for one kind of machine: install that library without its extension")
    return found


def listed(folder: Path, line: str, digests: dict[str, str], place: str | None) -> Path:
    """The list, written into `folder` under a name of its own, so that those of earlier versions stay."""
    text = json.dumps({"spark": line, "place": place, "files": digests}, indent=2) + "\n"
    path = folder / f"spark-{line}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json"
    path.write_text(text)
    return path


def read(path: str, line: str) -> Artefacts:
    """What the list says, a file or an object; raises `Refused` for one of no use to a cluster with this Spark line."""
    try:
        found = json.loads(aws.Objects().read(path) if flags.bucket(path) else Path(path).read_text())
        place, digests = found["place"], found["files"]
        if found["spark"] == line and place:
            return of({name: uri(place, name, digest) for name, digest in digests.items()})
    except KeyError as missing:
        raise Refused("--artefacts", f"{path} is no list that `package` wrote: {missing} is missing") from None
    except (OSError, ValueError, TypeError, aws.Failed) as wrong:
        raise Refused("--artefacts", f"{path} is no list that `package` wrote: {wrong}") from None
    if not place:
        raise Refused("--artefacts", f"{path}: nothing was uploaded yet, `package --to s3://…` does")
    raise Refused("--artefacts", f"{path} is for Spark {found['spark']}, and the release has {line}")


def placeholders(line: str, place: str) -> Artefacts:
    """The same files at a place that isn't known."""
    jar = [name.file for name in jars.locked([f"kafka-{line}"])]
    return of({name: f"{place}/{name}" for name in sorted([*ENTRIES, CODE, LIBRARIES, LOGGING, POD, *jar])})


def uri(place: str, name: str, digest: str) -> str:
    return f"{place}/{digest[:16]}/{name}"


def of(at: dict[str, str]) -> Artefacts:
    wanted = tuple(uri for name, uri in at.items() if name.endswith(".jar"))
    return Artefacts(at[ENTRIES[0]], at[CODE], at[LIBRARIES], wanted, at[LOGGING], at[POD])
