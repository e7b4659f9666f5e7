"""Tries to break the promise, fault by fault of `faults.py`, and prints what came of it as one table.

Each part that has been run is a line of the evidence, a file of JSON lines; what stands there for this very code is not
run again.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from tests.kit.job import LINE, ROOT
from tests.soak import kills
from tests.soak.faults import FAULTS, KILLS, ORACLE

STORES = ("local", "s3")
COLUMNS = ("fault", "store", "seed", "kills", "mid_batch", "rows", "lost", "duplicated", "samples", "recovery_s")


def main() -> int:
    asked = arguments()
    evidence = Path(asked.evidence)
    end = time.monotonic() + asked.minutes * 60
    same = {"spark": LINE, "code": code()}
    rows = [(fault, part | same) for fault in asked.faults for part in parts_of(fault, asked)]
    parts = list({json.dumps(part): part for _, part in rows}.values())
    left = [part for part in parts if found(evidence, part) is None]
    # Two runs with kills fit beside each other: a job that starts has one thread.
    with ProcessPoolExecutor(asked.side_by_side) as pool:
        for part, result in zip(left, pool.map(partial(tried, evidence=evidence, end=end), left), strict=True):
            say(part, result)
    results = [(fault, found(evidence, part)) for fault, part in rows]
    table(results)
    return 0 if all(result and not result["wrong"] for _, result in results) else 1


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
            yield {"store": "local", "seed": 1, "planned": 5, "records": 20_000, "stock": stock}
    else:
        yield {"tests": list(FAULTS[fault].tests)}


def tried(part: dict, evidence: Path, end: float) -> dict | None:
    """What came of it, which is evidence now: `wrong` is empty if all is well. None if the time is over."""
    if time.monotonic() > end:
        return None
    begin = time.monotonic()
    if "tests" in part:
        result = {"wrong": failed(part["tests"])}
    else:
        kept = kills.run(part["store"], part["seed"], part["planned"], part["records"], part["stock"])
        result = kept._asdict()
        if part["stock"]:  # how it ended, and what it left out, doesn't count: a reader must have seen what may not be
            seen = kept.kills and kept.violations
            result["wrong"] = [] if seen else [f"the oracle saw nothing wrong after {kept.kills} kills: it is blind"]
    line = part | result | {"seconds": round(time.monotonic() - begin)}
    with evidence.open("a") as file:
        file.write(json.dumps(line) + "\n")
    return line


def failed(tests: tuple[str, ...]) -> list[str]:
    """What pytest says of the tests that failed."""
    command = [sys.executable, "-m", "pytest", "-n0", "-m", "soak or not soak", "--tb=line", *tests]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return [done.stdout[-2000:]] if done.returncode else []


def code() -> str:
    """The digest of all that the job is made of."""
    files = sorted(path for room in ("jobs", "transforms") for path in (ROOT / room).glob("*.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def found(evidence: Path, part: dict) -> dict | None:
    """The last line of the evidence about that part."""
    lines = evidence.read_text().splitlines() if evidence.exists() else []
    about = [line for line in map(json.loads, lines) if part.items() <= line.items()]
    return about[-1] if about else None


def say(part: dict, result: dict | None) -> None:
    what = ", ".join(part.get("tests", ())) or f"{part['stock'] or 'kills'}, {part['store']}, seed {part['seed']}"
    verdict = "no time left" if result is None else "\n".join(result["wrong"]) or "ok"
    print(f"== {what}: {verdict}", flush=True)


def table(results: list[tuple[int, dict | None]]) -> None:
    print("\n" + "".join(f"{name:>12}" for name in COLUMNS) + "  verdict")
    for fault, result in results:
        verdict = "NOT RUN" if result is None else "WRONG" if result["wrong"] else "ok"
        values = [str((result or {}).get(name, "")) for name in COLUMNS[1:]]
        print("".join(f"{value:>12}" for value in (fault, *values)) + f"  {verdict}: {FAULTS[fault].what}")


if __name__ == "__main__":
    sys.exit(main())
