"""What goes by until the job's first file is there, phase by phase."""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from emr.local import LINE
from tests.bench.contenders import Start, Work, at_least, ours
from tests.bench.measured import measured
from tests.bench.started import LAUNCHED
from tests.kit.broker import Broker
from tests.kit.events import access_log_events
from tests.kit.job import ROOT

PARTITIONS = 8


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench start", allow_abbrev=False)
    parser.add_argument("--rows", type=at_least(1), default=100_000)
    parser.add_argument("--runs", type=at_least(1), default=1, help="with several the medians are shown")
    asked = parser.parse_args(argv)
    runs = []
    with tempfile.TemporaryDirectory(prefix="floodmark-bench-") as name, Broker(Path(name) / "broker") as broker:
        folder = Path(name)
        broker.create_topic("start", PARTITIONS)
        broker.produce("start", ((*event[:4], None) for event in access_log_events(asked.rows, seed=1, broken=0)))
        for turn in range(asked.runs):
            work = Work(broker.bootstrap, "start", str(folder / f"table-{turn}"))
            command, environment = ours(work, script="tests/bench/started.py")
            environment = {**environment, "PYTHONPATH": str(ROOT), LAUNCHED: repr(time.time())}
            run = measured(Start(command, environment), folder / "start.log")
            (told,) = (line["phases"] for _, line in run.said if "phases" in line)
            runs.append({**told, "from there to the end": run.wall - told["first file"]})
    print(
        f"\nSpark {LINE}, a drain of {asked.rows:,} records, median of {asked.runs}\n\n| phase | seconds |\n|---|---|"
    )
    for phase in runs[0]:
        print(f"| {phase} | {statistics.median(run[phase] for run in runs):.2f} |")
    return 0
