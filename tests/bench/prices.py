"""What the requests of a batch cost at S3: by kind, and in dollars a month."""

import argparse
from collections.abc import Mapping

from emr.local import LINE
from jobs.query import LOOK_FOR_OTHERS_S
from jobs.stop import LOOK_EVERY
from tests.bench.contenders import OURS, YARDSTICK, chosen, words
from tests.bench.steps import stepped

# S3 Standard, us-east-1, list prices, a request.
WRITE, READ = 0.005 / 1_000, 0.0004 / 1_000
PRICES = {"PUT": WRITE, "POST": WRITE, "LIST": WRITE, "DELETE": 0.0}  # all others: READ
TRIGGERS = {"10 s": 10, "60 s": 60, "5 min": 300}
MONTH_S = 30 * 86_400
COLUMNS = ("PUT, POST", "LIST", "GET, HEAD", "DELETE")
# Twenty batches, with two of those in which Spark's sink compacts its log; from the hundredth on Spark also clears up
# its checkpoint.
FIRST, LAST = 111, 130


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench requests", allow_abbrev=False)
    parser.add_argument("--only", type=words)
    found = stepped(chosen((OURS, YARDSTICK), parser.parse_args(argv).only), LAST, "s3")
    print(f"\nSpark {LINE}: requests of a batch with one file, mean of batches {FIRST} to {LAST}\n")
    print(table({name: steps.mean(FIRST, LAST) for name, steps in found.items()}))
    print("\nA copy is a PUT, as on S3's bill. S3 Standard in us-east-1: $0.005 for 1,000 PUT, POST, LIST,")
    print("$0.0004 for 1,000 GET, HEAD and others, nothing for DELETE; a batch at every trigger.")
    return 0


def price(requests: Mapping[str, float]) -> float:
    """Dollars for so many requests of each kind."""
    return sum(number * PRICES.get(kind, READ) for kind, number in requests.items())


def monthly(name: str, requests: Mapping[str, float], trigger_s: int) -> float:
    """With a batch at every trigger; the job looks besides whether it is to stop, and whether another took over."""
    looks = (1 / LOOK_EVERY + 1 / LOOK_FOR_OTHERS_S) * READ if name == OURS else 0.0
    return MONTH_S * (price(requests) / trigger_s + looks)


def table(found: Mapping[str, Mapping[str, float]]) -> str:
    lines = [["", *COLUMNS, *(f"$ a month at {name}" for name in TRIGGERS)]]
    lines.append(["---"] * len(lines[0]))
    for name, requests in found.items():
        counts = [f"{sum(requests.get(kind, 0) for kind in column.split(', ')):.1f}" for column in COLUMNS]
        lines.append([name, *counts, *(f"{monthly(name, requests, seconds):.2f}" for seconds in TRIGGERS.values())])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
