"""Where the time of the tasks goes: drains under the JVM's flight recorder, ours as a flame graph too.

The samples are of Java code: compression and sockets aren't in them.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from emr import jars
from tests.bench import flame
from tests.bench.contenders import OURS, YARDSTICK_OUR_START, Start, Work, at_least, ours, stock_our_start
from tests.bench.measured import measured
from tests.kit.broker import Broker
from tests.kit.events import access_log_events

SVG = "bench-profile.svg"
PARTITIONS = 8
# Between safepoints too: else it would be told only where the compiler left one.
EXACT = "-XX:+UnlockDiagnosticVMOptions -XX:+DebugNonSafepoints"
WHOLE = "-XX:FlightRecorderOptions=stackdepth=256"  # by default the outermost frames of a deep stack are cut off
PROFILED: dict[str, Callable[..., Start]] = {OURS: ours, YARDSTICK_OUR_START: stock_our_start}


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench profile", allow_abbrev=False)
    parser.add_argument("--rows", type=at_least(1), default=2_000_000)
    asked = parser.parse_args(argv)
    jfr = Path(jars.java_home()) / "bin" / "jfr"
    if not jfr.exists():
        print(f"{jfr} is not there: a profile needs a whole JDK, as JAVA_HOME", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="floodmark-bench-") as name, Broker(Path(name) / "broker") as broker:
        folder = Path(name)
        broker.create_topic("profile", PARTITIONS)
        broker.produce("profile", ((*event[:4], None) for event in access_log_events(asked.rows, seed=1, broken=0)))
        works = {who: Work(broker.bootstrap, "profile", str(folder / f"table-{n}")) for n, who in enumerate(PROFILED)}
        found = {who: sampled(start, works[who], folder, jfr) for who, start in PROFILED.items()}
    if not all(found.values()):
        print("no sample of a task: more --rows are needed", file=sys.stderr)
        return 1
    Path(SVG).write_text(flame.svg(found[OURS]))
    print(f"\n{SVG}: {found[OURS].total():,} samples of {OURS}'s tasks, of {asked.rows:,} records\n")
    print(table(found))
    return 0


def sampled(start: Callable[..., Start], work: Work, folder: Path, jfr: Path) -> Counter[flame.Stack]:
    """The stacks of a drain's tasks. Without our archive of classes: the recorder asks for each one's file, and Java 17
    dies where that is in a jar's META-INF/versions, as one of log4j's on Spark 3.5."""
    recording = folder / "drain.jfr"
    record = f"-XX:StartFlightRecording=filename={recording},settings=profile {EXACT} {WHOLE}"
    measured(start(work, java=record), folder / "job.log")
    command = [str(jfr), "print", "--events", "jdk.ExecutionSample", "--stack-depth", "256", str(recording)]
    return flame.stacks(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def table(found: dict[str, Counter[flame.Stack]]) -> str:
    """In percent of all that the sink's tasks do."""
    counted = [flame.kinds(stacks) for stacks in found.values()]
    one = found[YARDSTICK_OUR_START].total() / 100
    lines = [["what the tasks do", *found], ["---"] * (len(found) + 1)]
    for kind in [*flame.KINDS.values(), flame.REST]:
        lines.append([kind, *(f"{kinds[kind] / one:.0f}" for kinds in counted)])
    lines.append(["all", *(f"{kinds.total() / one:.0f}" for kinds in counted)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
