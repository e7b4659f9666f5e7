"""Tries to break the promise, fault by fault of `faults.py`, and prints what came of it as one table.

Each part that has been run is a line of the evidence, a file of JSON lines; what went well there with this very code is
not run again. What went wrong is, and stays in the verdict: chance may have hidden it the second time.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from tests.kit.job import LINE, ROOT
from tests.soak import kills
from tests.soak.faults import FAULTS, KILLS, ORACLE

STORES = ("local", "s3")
COLUMNS = (
    "fault", "store", "seed", "kills", "mid_batch", "rows", "under_kills",
    "lost", "duplicated", "samples", "recovery_s",
)  # fmt: skip


def main() -> int:
    asked = arguments()
    evidence = Path(asked.evidence)
    end = time.monotonic() + asked.minutes * 60
    same = {"spark": LINE, "code": code()}
    rows = [(fault, part | same) for fault in asked.faults for part in parts_of(fault, asked)]
    parts = list({json.dumps(part): part for _, part in rows}.values())
    left = [part for part in parts if not went_well(found(evidence, part))]
    # Two runs with kills fit beside each other: a job that starts has one thread.
    with ProcessPoolExecutor(asked.side_by_side) as pool:
        for part, result in zip(left, pool.map(partial(tried, evidence=evidence, end=end), left), strict=True):
            say(part, result)
    results = [(fault, found(evidence, part)) for fault, part in rows]
    table(results)
    return 0 if all(verdict(result) == "ok" for _, result in results) else 1


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add(
        "--faults",
        type=numbers,
        default=[*FAULTS],
        metavar="9,13",
        help=f"rows {min(FAULTS)} to {max(FAULTS)}; default: all",
    )
    add("--seeds", type=numbers, default=[1, 2, 3], metavar="1,2,3", help="of the random kills")
    add("--kills", type=int, default=67, metavar="N", help="for each seed and store")
    add("--records", type=int, default=340_000, metavar="N", help="for each seed and store")
    add("--store", choices=STORES, help="default: both")
    add("--minutes", type=int, default=240, metavar="N", help="after these no part is begun")
    add("--side-by-side", type=int, default=2, metavar="N", help="parts at a time")
    add("--evidence", default="soak.jsonl", metavar="FILE")
    asked = parser.parse_args()
    if unknown := set(asked.faults) - FAULTS.keys():
        parser.error(f"--faults: {min(unknown)} is none of {min(FAULTS)} to {max(FAULTS)}")
    return asked


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def parts_of(fault: int, asked: argparse.Namespace) -> Iterator[dict]:
    """What is to be run for the fault; the same for faults that the same tests show."""
    if fault == KILLS:
        for store in STORES if asked.store is None else (asked.store,):
            for seed in asked.seeds:
                yield {"store": store, "seed": seed, "planned": asked.kills, "records": asked.records, "stock": ""}
    elif fault == ORACLE:
        for stock in ("sink", "append"):
            yield {"store": "local", "seed": 1, "planned": 20, "records": 20_000, "stock": stock}
    else:
        yield {"tests": list(FAULTS[fault].tests)}


def tried(part: dict, evidence: Path, end: float) -> dict | None:
    """What came of it, which is evidence now: `wrong` is empty if all is well. None if the time is over."""
    if time.monotonic() > end:
        return None
    begin = time.monotonic()
    try:
        result = tested(part["tests"]) if "tests" in part else killed(part)
    except Exception:  # of a broker that doesn't start, say: the other parts go on
        result = {"wrong": [traceback.format_exc()]}
    if code() != part["code"]:
        result["wrong"] = [*result["wrong"], "the code changed while this ran"]
    line = part | result | {"seconds": round(time.monotonic() - begin)}
    with evidence.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return line


def killed(part: dict) -> dict:
    kept = kills.run(part["store"], part["seed"], part["planned"], part["records"], part["stock"])
    result = kept._asdict()
    if part["stock"]:  # how it ended, and what it left out, doesn't count: a reader must have seen rows twice
        seen = kept.kills == part["planned"] and kept.duplicated
        result["wrong"] = (
            [] if seen else [f"{kept.duplicated} rows twice after {kept.kills} kills: is the oracle blind?"]
        )
    return result


def tested(tests: tuple[str, ...]) -> dict:
    """How many of the tests were run, how many were skipped, and what pytest says if any failed."""
    command = [sys.executable, "-m", "pytest", "-n0", "-m", "soak or not soak", "--tb=line", "-rs", *tests]
    with tempfile.NamedTemporaryFile(suffix=".xml") as counts:
        done = subprocess.run(
            [*command, f"--junitxml={counts.name}"],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        (suite,) = ElementTree.parse(counts.name).iter("testsuite")
    ran, skipped = int(suite.get("tests")), int(suite.get("skipped"))
    said = [done.stdout[-2000:]]
    return {"ran": ran - skipped, "skipped": said if skipped else [], "wrong": said if done.returncode else []}


def code() -> str:
    """The digest of what was run: the job, what submits it, its tests and their pins."""
    paths = [ROOT / "pyproject.toml", ROOT / "setup.py", *ROOT.glob("requirements-*.txt"), ROOT / "emr/jars.lock"]
    paths += (path for room in ("jobs", "transforms", "emr", "tests") for path in (ROOT / room).rglob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(paths))).hexdigest()[:12]


def found(evidence: Path, part: dict) -> dict | None:
    """The last line of the evidence about that part, and how many before it were wrong."""
    lines = evidence.read_text().splitlines() if evidence.exists() else []
    about = [line for line in map(json.loads, lines) if part.items() <= line.items()]
    return about[-1] | {"wrong_before": sum(bool(line["wrong"]) for line in about[:-1])} if about else None


def went_well(result: dict | None) -> bool:
    return result is not None and not result["wrong"] and not result.get("skipped")


def verdict(result: dict | None) -> str:
    if result is None:
        return "NOT RUN"
    if went_well(result):
        return f"ok, but {result['wrong_before']} times WRONG before" if result.get("wrong_before") else "ok"
    return "WRONG" if result["wrong"] else "IN PART"


def say(part: dict, result: dict | None) -> None:
    what = ", ".join(part.get("tests", ())) or f"{part['stock'] or 'kills'}, {part['store']}, seed {part['seed']}"
    why = "" if result is None else "\n".join(result["wrong"] or result.get("skipped", ()))
    print(f"== {what}: {verdict(result)} {why}".rstrip(), flush=True)


def table(results: list[tuple[int, dict | None]]) -> None:
    print("\n" + "".join(f"{name:>12}" for name in COLUMNS) + "  verdict")
    for fault, result in results:
        values = [str((result or {}).get(name, "")) for name in COLUMNS[1:]]
        print("".join(f"{value:>12}" for value in (fault, *values)) + f"  {verdict(result)}: {FAULTS[fault].what}")


if __name__ == "__main__":
    sys.exit(main())
