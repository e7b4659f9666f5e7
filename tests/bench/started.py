"""`spark-submit tests/bench/started.py <flags of the job>`: the job, and then a JSON line that says what starting took.

The phases follow one another; `first file` is the sum of them, from the start of spark-submit until all of the first
batch is published.
"""

import json
import os
import sys
import time

from jobs import contract, ingest, query
from jobs.sink import Sink
from jobs.writer import Writer

IMPORTED = time.time()
LAUNCHED = "FLOODMARK_LAUNCHED"  # the variable with the moment in which spark-submit was started
# What is called → the phase that it belongs to. They are called in this order, the last for each batch.
CALLS = [
    (contract, "loaded", "contract"),
    (ingest, "session", "session"),
    (contract, "completed", "contract"),
    (Writer, "prove", "prove"),
    (Writer, "claim", "claim"),
    (query, "_started", "query start"),
    (Sink, "_ingest", "batch"),
]
calls: list[tuple[str, float, float, object]] = []


def timed(owner, name: str, phase: str) -> None:
    """The function tells when it was called and came back; so does a method."""
    inner = getattr(owner, name)

    def outer(*given, **more):
        begin = time.time()
        result = inner(*given, **more)
        calls.append((phase, begin, time.time(), result))
        return result

    setattr(owner, name, outer)


def phases(launched: float, python: float, imported: float, calls: list) -> dict[str, float]:
    """Seconds by phase; what lies between the calls is `connecting`, or before the first batch `planning`."""
    begin, end, report = next((begin, end, report) for phase, begin, end, report in calls if phase == "batch")
    found = {"JVM until Python runs": python - launched, "imports": imported - python}
    earlier = [call for call in calls if call[1] < begin]
    for phase, called, back, _ in earlier:
        found[phase] = found.get(phase, 0) + back - called
    found["planning"] = begin - max(back for *_, back, _ in earlier)
    found |= report.seconds
    return {**found, "connecting and other": end - launched - sum(found.values()), "first file": end - launched}


def main(argv: list[str]) -> int:
    for call in CALLS:
        timed(*call)
    code = ingest.main(argv)
    import psutil  # only the bench installs it

    me, launched = psutil.Process(), float(os.environ[LAUNCHED])
    # Only the difference: psutil reckons from the second in which the machine started.
    python = launched + me.create_time() - me.parent().create_time()
    found = phases(launched, python, IMPORTED, calls)
    print(json.dumps({"phases": {name: round(seconds, 3) for name, seconds in found.items()}}), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
