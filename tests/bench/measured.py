"""What a process and all its children took: seconds, CPU, memory; and when it said what."""

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.bench.contenders import Start
from tests.kit.job import ROOT, kill

SAMPLE_S = 0.1
PATIENCE_S = 7200


class Running:
    """A command from its start until its `with` ends, which kills it, and each JSON line it said with its second.

    With `mark`, a line has under that name what `mark` gave when it came.
    """

    def __init__(self, start: Start, log: Path, mark: Callable[[], int] | None = None):
        self.start, self.log, self.mark = start, log, mark
        self.said: list[tuple[float, dict]] = []

    def __enter__(self) -> "Running":
        self.begin = time.monotonic()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as errors:
            self.process = subprocess.Popen(
                self.start.command, cwd=ROOT, env={**os.environ, **self.start.environment}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, start_new_session=True, text=True,
            )  # fmt: skip
        self.listener = threading.Thread(target=self._listen)
        self.listener.start()
        return self

    def __exit__(self, *_) -> None:
        kill(self.process)
        self.process.wait()
        self.listener.join()

    def _listen(self) -> None:
        for line in self.process.stdout:
            if line.startswith('{"'):
                more = {"mark": self.mark()} if self.mark else {}
                self.said.append((time.monotonic() - self.begin, json.loads(line) | more))

    @property
    def rows(self) -> int:
        return sum(line["rows_in"] for _, line in self.said if "batch" in line)

    def await_rows(self, rows: int, patience: float = 120) -> None:
        """It said of so many rows that they came in; raises `RuntimeError` if it ended, or took too long."""
        end = time.monotonic() + patience
        while self.rows < rows:
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.rows} rows of {rows} came in:\n{self.last_words()}")
            time.sleep(0.01)

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


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


def measured(start: Start, log: Path, mark: Callable[[], int] | None = None) -> Measured:
    """Runs the command to its end; raises `RuntimeError` with the end of what it said if that was a bad one."""
    before = os.times()
    with Running(start, log, mark) as run:
        over, peaks = threading.Event(), [0]
        sampler = threading.Thread(target=sample, args=(run.process.pid, over, peaks))
        sampler.start()
        try:
            code = run.process.wait(PATIENCE_S)
            wall = time.monotonic() - run.begin
        finally:
            over.set()
            sampler.join()
    after = os.times()  # counts every process that its parent waited for, to the last moment
    if code:
        raise RuntimeError(f"{start.command[:3]} ended with {code}:\n{run.last_words()}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(wall, cpu, max(peaks), run.said)


def sample(pid: int, over: threading.Event, peaks: list[int]) -> None:
    """The memory of the process and its children, now and then; what they share counts for each."""
    import psutil  # only the bench installs it

    while not over.wait(SAMPLE_S):
        with suppress(psutil.Error):
            root = psutil.Process(pid)
            tree = [root, *root.children(recursive=True)]
            peaks.append(sum(process.memory_info().rss for process in tree))
