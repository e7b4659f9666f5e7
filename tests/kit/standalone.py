"""A Spark cluster of several processes on loopback: a standalone master and two workers, each with one executor."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pyspark

from emr import jars
from tests.kit import job
from tests.kit.broker import WATCHER, free_ports

SPARK_HOME = Path(pyspark.__file__).parent
DEPLOY = "org.apache.spark.deploy"
# Spark starts no second attempt of a task on the host of the first: each worker has a name of its own.
HOSTS = ("127.0.0.1", "localhost")
JVM = f"{job.JVM} -XX:SharedArchiveFile={job.ARCHIVE}"
# What spark-submit is told, beside the master: a single core for each executor, which knows its own name.
SUBMIT = {
    "spark.driver.host": "127.0.0.1",
    "spark.executor.memory": "512m",
    "spark.executor.extraJavaOptions": f"{JVM} -Dexecutor={{{{EXECUTOR_ID}}}}",
    "spark.hadoop.fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
}


class Standalone:
    """`with Standalone(folder) as cluster:` a master and both workers, gone with it or with the parent."""

    def __init__(self, folder: Path | str):
        self.folder = Path(folder).absolute()
        self.log = self.folder / "cluster.log"
        self.processes: dict[subprocess.Popen, subprocess.Popen] = {}  # with their watchers

    def __enter__(self) -> "Standalone":
        self.folder.mkdir(parents=True, exist_ok=True)
        port, *ui = map(str, free_ports(4))
        self.master = f"spark://127.0.0.1:{port}"
        try:
            self._start("master.Master", "--host", "127.0.0.1", "--port", port, "--webui-port", ui[0])
            for host, page in zip(HOSTS, ui[1:], strict=True):
                where = ("--host", host, "--webui-port", page, "--work-dir", str(self.folder / f"work-{host}"))
                self._start("worker.Worker", *where, "--cores", "1", "--memory", "1g", self.master)
            self._await("Registering worker", len(HOSTS))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *raised) -> None:
        for process, watcher in self.processes.items():
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            watcher.communicate(b"over\n")

    def submit(self, *settings: str) -> tuple[str, ...]:
        """What stands between `spark-submit` and the job to run it here; `settings` are Spark's, `name=value`."""
        given = [f"{name}={value}" for name, value in SUBMIT.items()]
        return ("--master", self.master, *(word for setting in [*given, *settings] for word in ("--conf", setting)))

    def executor(self, name: str) -> int:
        """The process id of the executor that Spark calls `name`."""
        lines = subprocess.run(["ps", "-axww", "-o", "pid=,ppid=,args="], capture_output=True, text=True).stdout
        workers = "|".join(str(process.pid) for process in self.processes)
        (pid,) = re.findall(rf"^ *(\d+) +(?:{workers}) .* --executor-id {name} ", lines, re.MULTILINE)
        return int(pid)

    def _start(self, name: str, *arguments: str) -> None:
        """The class runs in a process group of its own, which the executors of a worker belong to."""
        environment = {
            **os.environ,
            "SPARK_HOME": str(SPARK_HOME),
            "JAVA_HOME": jars.java_home(),
            "PYSPARK_PYTHON": sys.executable,
            # S3A comes before --jars, as on EMR: there its AWS SDK would mix with the one inside aws-msk-iam-auth.
            "SPARK_DIST_CLASSPATH": os.pathsep.join(jars.paths([f"s3-{job.LINE}"])),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self.folder),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": JVM,
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [str(SPARK_HOME / "bin" / "spark-class"), f"{DEPLOY}.{name}", *arguments],
                env=environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes[process] = subprocess.Popen(
            ["sh", "-c", WATCHER, "watcher", str(process.pid)], stdin=subprocess.PIPE, start_new_session=True
        )

    def _await(self, words: str, times: int, patience: float = 60) -> None:
        end = time.monotonic() + patience
        while self.log.read_text(errors="replace").count(words) < times:
            if time.monotonic() > end or any(process.poll() is not None for process in self.processes):
                raise RuntimeError(f"the cluster did not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)
