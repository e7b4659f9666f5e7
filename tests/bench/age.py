"""What a batch costs when the table is old: the tenth, the hundredth, the thousandth, each of one record."""

import argparse
import statistics
from collections import Counter

from emr.local import LINE
from tests.bench.contenders import PAIR, chosen, words
from tests.bench.steps import Steps, stepped
from tests.bench.traffic import KINDS

POINTS = (10, 100, 1_000, 2_000)
FEWEST, MOST = 4, 50  # batches on either side: what is done every tenth time is among them, and a noisy second few


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench age", allow_abbrev=False)
    parser.add_argument("--batches", type=int, default=POINTS[-1])
    parser.add_argument("--store", choices=("local", "s3"), default="local")
    parser.add_argument("--only", type=words)
    asked = parser.parse_args(argv)
    if asked.batches < 2 * FEWEST + 2:
        parser.error(f"--batches: {2 * FEWEST + 2} or more")
    found = stepped(chosen(PAIR, asked.only), asked.batches, asked.store)
    print(f"\nSpark {LINE}, {asked.store}: {asked.batches:,} batches of one record; median of up to 101 around each\n")
    print(table(found, asked.batches))
    return 0


def points(batches: int) -> list[int]:
    return sorted({point for point in POINTS if point < batches} | {batches})


def window(point: int, batches: int) -> tuple[int, int]:
    """Batches with `point` in the middle, or as near to it as there are any; the first batch is none of them."""
    around = max(FEWEST, min(point // 2 - 1, MOST, batches // 2 - 1))
    first = max(2, min(point - around, batches - 2 * around))
    return first, first + 2 * around


def table(found: dict[str, Steps], batches: int) -> str:
    kinds = KINDS if any(steps.requests for steps in found.values()) else ()
    head = ["", "batch", "ms", "longest", *(f"{kind} a batch" for kind in kinds), "objects at the end"]
    lines = [head, ["---"] * len(head)]
    for name, steps in found.items():
        for point in points(batches):
            first, last = window(point, batches)
            times = steps.of(steps.milliseconds, first, last)
            asked = sum(steps.of(steps.requests, first, last), Counter())
            shown = [name, f"{point:,}", f"{statistics.median(times):,.0f}", f"{max(times):,.0f}"]
            shown += [f"{asked[kind] / len(times):.1f}" for kind in kinds]
            lines.append([*shown, f"{steps.objects:,}" if point == batches else ""])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
