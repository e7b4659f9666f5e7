"""`python -m tests.bench VERB [FLAGS…]`: each verb measures one thing, and prints it as a table for a README."""

import sys
from importlib import import_module

VERBS = {
    "drain": "drain",
    "latency": "latency",
    "age": "age",
    "requests": "prices",
    "start": "start",
    "profile": "profiled",
}


def main(words: list[str]) -> int:
    if not words or words[0] not in VERBS:
        print(f"python -m tests.bench {'|'.join(VERBS)} [--help]", file=sys.stderr)
        return 2
    return import_module(f"tests.bench.{VERBS[words[0]]}").main(words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
