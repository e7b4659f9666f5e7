"""The job as its users start it: `spark-submit jobs/ingest.py …` in a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from emr import jars
from emr.local import LINE

ROOT = Path(__file__).parents[2]
# The interpreter of each line, beside one another where `make setup` has made both.
PYTHONS = {"4.1": ROOT / ".venv" / "bin" / "python", "3.5": ROOT / ".venv-3.5" / "bin" / "python"} | {
    LINE: Path(sys.executable)
}
# A short run is nearly all start-up: no UI, no optimising compiler, no helper threads, and Spark's classes from an
# archive that the JVM maps into memory instead of parsing 300 jars. A JVM that can't use it starts without it.
ARCHIVE = Path(sys.prefix) / "spark-classes.jsa"
SPARK = ["--master", "local[2]", "--driver-memory", "1g", "--conf", "spark.ui.enabled=false"]
JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xlog:disable -Xlog:all=error:stderr"


class Job:
    """Starts the job with `flags` again and again; everything it says is in `folder/job.log`."""

    def __init__(self, folder: Path, *flags: str, environment: dict[str, str] | None = None):
        self.log = Path(folder) / "job.log"
        self.flags = flags
        self.cwd = ROOT
        self.kinds = ["kafka"] + ["s3"] * any(flag.startswith("s3://") for flag in flags)
        self.environment = {**os.environ, "JAVA_HOME": jars.java_home()}
        self.environment["PYTHONPATH"] = str(ROOT)  # for the transforms that only tests have
        self.environment |= environment or {}

    def start(
        self, *more: str, script: tuple[str, ...] = ("jobs/ingest.py",), jvm: str = "", line: str = LINE, terminal=None
    ) -> subprocess.Popen:
        """The job's process, the leader of a group that one signal kills. `more` flags come last, so they win.

        With `terminal`, an open one, it reads and writes there and not in the log.
        """
        python = PYTHONS[line]
        classes = python.parents[1] / ARCHIVE.name
        jvm = jvm or (f"-XX:SharedArchiveFile={classes}" if classes.exists() else "")
        submit = [str(python.with_name("spark-submit")), *SPARK, "--driver-java-options", f"{JVM} {jvm}"]
        paths = ",".join(jars.paths([f"{kind}-{line}" for kind in self.kinds]))
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*submit, "--jars", paths, *script, *self.flags, *more],
                cwd=self.cwd, env=self.environment | {"PYSPARK_PYTHON": str(python)}, start_new_session=True,
                stdin=terminal or subprocess.DEVNULL, stdout=terminal or log, stderr=log,
                preexec_fn=heed_interrupts,
            )  # fmt: skip

    def run(
        self, *more: str, script: tuple[str, ...] = ("jobs/ingest.py",), patience: float = 600, line: str = LINE
    ) -> int:
        """The job's exit code once it has ended."""
        process = self.start(*more, script=script, line=line)
        try:
            return process.wait(patience)
        finally:
            kill(process)

    def archive(self, *more: str) -> None:
        """Runs the job once, slowly, and keeps the classes that it loaded for all runs to come."""
        half_made = ARCHIVE.with_suffix(".half")
        if self.start(*more, jvm=f"-XX:ArchiveClassesAtExit={half_made}").wait():
            raise RuntimeError(self.said())
        if half_made.exists():  # not every runtime can make one
            half_made.replace(ARCHIVE)

    def said(self) -> str:
        return self.log.read_text(errors="replace")


def heed_interrupts() -> None:
    """A shell starts what it has in the background deaf to Ctrl-C, and so are that one's children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def kill(process: subprocess.Popen) -> None:
    """kill -9 of the driver: the JVM, Python and whatever they started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
