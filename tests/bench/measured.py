"""What a process and all its children took: seconds, CPU, memory; and when it said what."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.kit.job import ROOT, kill

SAMPLE_S = 0.1
PATIENCE_S = 1800


class Measured(NamedTuple):
    """Seconds, bytes, and each JSON line that was said with the seconds since the start."""

    wall: float
    cpu: float
    peak: int
    said: list[tuple[float, dict]]

    @property
    def batches(self) -> list[tuple[float, dict]]:
        return [(at, line) for at, line in self.said if "batch" in line]

    @property
    def warm(self) -> float | None:
        """Rows a second behind the first batch."""
        if len(self.batches) < 2:
            return None
        (first, _), *_, (last, _) = self.batches
        return sum(line["rows_in"] for _, line in self.batches[1:]) / (last - first)


def measured(command: list[str], environment: Mapping[str, str], log: Path) -> Measured:
    """Runs the command to its end; raises `RuntimeError` with the end of what it said if that was a bad one."""
    before = os.times()
    begin = time.monotonic()
    said: list[tuple[float, dict]] = []
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=errors, start_new_session=True, text=True,
        )  # fmt: skip
    over, peaks = threading.Event(), [0]
    sampler = threading.Thread(target=sample, args=(process.pid, over, peaks))
    sampler.start()
    try:
        for line in process.stdout:
            if line.startswith('{"'):
                said.append((time.monotonic() - begin, json.loads(line)))
        code = process.wait(PATIENCE_S)
    finally:
        kill(process)
        over.set()
        sampler.join()
    wall = time.monotonic() - begin
    after = os.times()
    if code:
        raise RuntimeError(f"{command[:3]} ended with {code}:\n{log.read_text()[-3000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(wall, cpu, max(peaks), said)


def sample(pid: int, over: threading.Event, peaks: list[int]) -> None:
    """The memory of the process and its children, now and then; what they share counts for each."""
    import psutil  # only `make bench` installs it

    while not over.wait(SAMPLE_S):
        try:
            root = psutil.Process(pid)
            tree = [root, *root.children(recursive=True)]
            peaks.append(sum(process.memory_info().rss for process in tree))
        except psutil.Error:
            continue
