"""Where the time of the tasks goes: a drain by our job under the JVM's flight recorder, as a flame graph."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from emr import jars
from tests.bench import flame
from tests.bench.contenders import Work, ours
from tests.bench.measured import measured
from tests.kit.broker import Broker
from tests.kit.events import access_log_events

PARTITIONS = 8
# Between safepoints too: else it would be told only where the compiler left one.
EXACT = "-XX:+UnlockDiagnosticVMOptions -XX:+DebugNonSafepoints"
WHOLE = "-XX:FlightRecorderOptions=stackdepth=256"  # by default the outermost frames of a deep stack are cut off
TOP, COMMON = 10, 0.9  # what is in nearly every stack tells nothing


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench profile", allow_abbrev=False)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--svg", default="bench-profile.svg")
    asked = parser.parse_args(argv)
    jfr = Path(jars.java_home()) / "bin" / "jfr"
    if not jfr.exists():
        print(f"{jfr} is not there: a profile needs a whole JDK, as JAVA_HOME", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="floodmark-bench-") as name, Broker(Path(name) / "broker") as broker:
        folder = Path(name)
        broker.create_topic("profile", PARTITIONS)
        broker.produce("profile", ((*event[:4], None) for event in access_log_events(asked.rows, seed=1, broken=0)))
        recording = folder / "drain.jfr"
        record = f"-XX:StartFlightRecording=filename={recording},settings=profile {EXACT} {WHOLE}"
        measured(ours(Work(broker.bootstrap, "profile", str(folder / "table")), java=record), folder / "job.log")
        command = [str(jfr), "print", "--events", "jdk.ExecutionSample", "--stack-depth", "256", str(recording)]
        found = flame.stacks(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    if not found:
        print("no sample of a task: more --rows are needed", file=sys.stderr)
        return 1
    Path(asked.svg).write_text(flame.svg(found))
    shares = {frame: samples / found.total() for frame, samples in flame.inclusive(found).most_common()}
    print(f"\n{asked.svg}: {found.total():,} samples of tasks, of {asked.rows:,} records. The top {TOP} frames,")
    print(f"without those in more than {COMMON:.0%}:\n\n| frame | share |\n|---|---|")
    for frame, share in [item for item in shares.items() if item[1] <= COMMON][:TOP]:
        print(f"| `{frame}` | {share:.1%} |")
    return 0
