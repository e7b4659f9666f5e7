"""What a batch costs when the table is old: the tenth, the hundredth, the thousandth, each of one record."""

import argparse
import statistics

from emr.local import LINE
from tests.bench.contenders import STREAMS, at_least, chosen, words
from tests.bench.steps import Steps, stepped
from tests.bench.traffic import KINDS

POINTS = (10, 100, 1_000, 2_000)
FEWEST, MOST = 4, 50  # batches on either side: the median leaves out what is done every tenth time, the mean doesn't


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench age", allow_abbrev=False)
    parser.add_argument("--batches", type=at_least(2 * FEWEST + 2), default=POINTS[-1])
    parser.add_argument("--store", choices=("local", "s3"), default="local")
    parser.add_argument("--only", type=words)
    asked = parser.parse_args(argv)
    found = stepped(chosen(STREAMS, asked.only), asked.batches, asked.store)
    what = "milliseconds a batch, median (mean)" if asked.store == "local" else "requests of a batch, mean"
    print(f"\nSpark {LINE}, {asked.batches:,} batches of one record: {what} of up to 101 around each\n")
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
    """Milliseconds, or requests of a batch where those were counted: the stand-in lists slower the more it holds."""
    head = ["", *(f"batch {point:,}" for point in points(batches)), "objects at the end"]
    lines = [head, ["---"] * len(head)]
    for name, steps in found.items():
        around = [window(point, batches) for point in points(batches)]
        if steps.requests:
            means = [steps.mean(*at) for at in around]
            shown = {f"{name}: {kind}": [f"{asked.get(kind, 0):.1f}" for asked in means] for kind in KINDS}
        else:
            shown = {name: [timed(steps.of(steps.milliseconds, *at)) for at in around]}
        lines += [[label, *cells, f"{steps.objects:,}"] for label, cells in shown.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def timed(milliseconds: list[float]) -> str:
    return f"{statistics.median(milliseconds):,.0f} ({statistics.mean(milliseconds):,.0f})"
