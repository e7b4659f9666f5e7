"""A real YARN on loopback: ResourceManager and one NodeManager, with what a cluster of EMR has of its own around them.

`python -m tests.kit.yarn FOLDER` kills every process of the YARN in FOLDER once its standard input ends.
"""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from xml.sax.saxutils import escape

from emr import jars, spark
from tests.kit import job
from tests.kit.broker import free_ports
from tests.kit.s3 import S3Server
from tests.kit.standalone import SPARK_HOME

YARN = "org.apache.hadoop.yarn.server"
COMMAND = "org.apache.hadoop.yarn.client.cli.ApplicationCLI"
JVM = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "--add-opens=java.base/java.lang=ALL-UNNAMED"]
RM_DOORS = ("address", "scheduler.address", "resource-tracker.address", "admin.address", "webapp.address")
NM_DOORS = ("address", "localizer.address", "webapp.address")
SITE = {
    "yarn.resourcemanager.hostname": "127.0.0.1",
    "yarn.resourcemanager.am.max-attempts": spark.ATTEMPTS,
    "yarn.nodemanager.hostname": "127.0.0.1",
    # What the node is said to have, so that all containers fit; nobody measures what they take.
    "yarn.nodemanager.resource.memory-mb": 65536,
    "yarn.nodemanager.resource.cpu-vcores": 16,
    "yarn.nodemanager.vmem-check-enabled": "false",
    "yarn.nodemanager.pmem-check-enabled": "false",
    "yarn.nodemanager.disk-health-checker.enable": "false",
    "yarn.scheduler.minimum-allocation-mb": 256,
    # A death is noticed in a moment, not at the next second's beat.
    "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": 200,
}
QUEUES = {
    "yarn.scheduler.capacity.root.queues": "default",
    "yarn.scheduler.capacity.root.default.capacity": 100,
    "yarn.scheduler.capacity.maximum-am-resource-percent": 0.9,
}


class Yarn:
    """`with Yarn(folder, s3) as yarn:` takes applications; `environment` is that of a machine of the cluster.

    `s3://` is S3A on `s3`, and the Python of the containers has no package at all.
    """

    def __init__(self, folder: Path | str, s3: S3Server):
        self.folder = Path(folder).absolute()
        self.conf = self.folder / "conf"
        self.python = self.folder / "python"
        self.bin = self.folder / "bin"
        self.s3 = s3
        manager, *others = (f"127.0.0.1:{port}" for port in reversed(free_ports(len(RM_DOORS + NM_DOORS))))
        self.doors = {"yarn.resourcemanager.webapp.address": manager}
        names = [f"yarn.resourcemanager.{door}" for door in RM_DOORS[:-1]]
        names += [f"yarn.nodemanager.{door}" for door in NM_DOORS]
        self.doors |= dict(zip(names, others, strict=True))
        self.url = f"http://{manager}/ws/v1/cluster"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK", "SPARK"))},
            **s3.environment,
            "JAVA_HOME": jars.java_home(),
            "HADOOP_CONF_DIR": str(self.conf),
            "SPARK_CONF_DIR": str(self.conf),
            "SPARK_DIST_CLASSPATH": os.pathsep.join(jars.paths([f"s3-{job.LINE}"])),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "PATH": os.pathsep.join([str(self.bin), str(Path(sys.executable).parent), os.environ["PATH"]]),
        }

    def __enter__(self) -> "Yarn":
        jars.fetch([f"yarn-{job.LINE}"])
        self.conf.mkdir(parents=True)
        venv.create(self.python, symlinks=True)
        with suppress(FileExistsError):  # the name that EMR 7 has one under that is new enough
            (self.python / "bin" / "python3.11").symlink_to("python3")
        self._configure()
        self._install()
        self.watcher = subprocess.Popen(
            [sys.executable, "-m", "tests.kit.yarn", str(self.folder)],
            cwd=job.ROOT, stdin=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            self._start("resourcemanager.ResourceManager")
            self._start("nodemanager.NodeManager")
            self._await_node()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *raised) -> None:
        self.watcher.communicate(b"over\n")

    def submit(self, arguments: Sequence[str]) -> subprocess.Popen:
        """What EMR's command-runner does with a step: the command runs on a machine of the cluster."""
        with (self.folder / "steps.log").open("ab") as log:
            return subprocess.Popen(
                arguments, env=self.environment, cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=job.heed_interrupts,
            )  # fmt: skip

    def masters(self) -> list[str]:
        """The application masters so far, each by its container: of every attempt the first."""
        return sorted(path.name for path in self.folder.glob("logs/*/container_*_000001"))

    def process(self, container: str) -> int:
        """The id of the JVM in the container."""
        java = (pid for pid, _, command in processes() if "/java" in command.split()[0] and container in command)
        return next(java)

    def succeeded(self) -> int:
        """How many applications have ended well, as they said themselves."""
        return len(self._asked("apps?finalStatus=SUCCEEDED")["apps"])

    def said(self) -> str:
        """The last words of every container, and those of the two servers."""
        logs = [*sorted(self.folder.glob("logs/*/*/*")), *self.folder.glob("*.log")]
        return "\n".join(f"== {log}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)

    def _configure(self) -> None:
        """The conf folder is that of a cluster of EMR: S3A for `s3://`, credentials, where Spark's own jars are."""
        storage = {
            "fs.defaultFS": "file:///",
            "hadoop.tmp.dir": self.folder / "tmp",
            "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
            "fs.s3a.endpoint": self.s3.url,
            "fs.s3a.path.style.access": "true",
        }
        own = {
            "yarn.nodemanager.local-dirs": self.folder / "local",
            "yarn.nodemanager.log-dirs": self.folder / "logs",
            "yarn.nodemanager.admin-env": f"PATH={self.python / 'bin'}{os.pathsep}{os.environ['PATH']}",
            # As an instance profile has it: whatever runs on the node has the credentials.
            "yarn.nodemanager.env-whitelist": ",".join(["JAVA_HOME", *self.s3.environment]),
        }
        sites = {"core-site": storage, "yarn-site": SITE | self.doors | own, "capacity-scheduler": QUEUES}
        for name, properties in sites.items():
            (self.conf / f"{name}.xml").write_text(xml(properties))
        libraries = [str(SPARK_HOME / "jars" / "*"), *jars.paths([f"s3-{job.LINE}"])]
        defaults = {
            "spark.yarn.jars": ",".join(f"local:{library}" for library in libraries),
            "spark.yarn.stagingDir": self.folder.as_uri(),
            "spark.driver.extraJavaOptions": job.JVM,
            "spark.executor.extraJavaOptions": job.JVM,
        }
        (self.conf / "spark-defaults.conf").write_text("".join(f"{key} {value}\n" for key, value in defaults.items()))

    def _install(self) -> None:
        """`yarn application …`, as a machine of the cluster has it."""
        self.bin.mkdir()
        command = self.bin / "yarn"
        command.write_text(f'#!/bin/sh\nexec {shlex.join(self._java(COMMAND))} "$@"\n')
        command.chmod(0o755)

    def _java(self, main: str) -> list[str]:
        classes = [str(self.conf), *jars.paths([f"yarn-{job.LINE}"]), str(SPARK_HOME / "jars" / "*")]
        java = [f"{self.environment['JAVA_HOME']}/bin/java", *JVM, f"-Dyarn.log.dir={self.folder}"]
        return [*java, "-cp", os.pathsep.join(classes), main]

    def _start(self, server: str) -> None:
        with (self.folder / f"{server.partition('.')[0]}.log").open("ab") as log:
            subprocess.Popen(
                self._java(f"{YARN}.{server}"),
                env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _await_node(self, patience: float = 90) -> None:
        end = time.monotonic() + patience
        while True:
            with suppress(OSError):
                if self._asked("metrics")["activeNodes"]:
                    return
            if time.monotonic() > end:
                raise RuntimeError(f"YARN did not start:\n{self.said()}")
            time.sleep(0.2)

    def _asked(self, path: str) -> dict:
        """The ResourceManager's answer: with these jars hardly more than numbers and lists, which is enough."""
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=10) as answer:
            return json.load(answer)


def xml(properties: Mapping) -> str:
    rows = (
        f"<property><name>{name}</name><value>{escape(str(value))}</value></property>\n"
        for name, value in properties.items()
    )
    return f"<configuration>\n{''.join(rows)}</configuration>\n"


def processes() -> list[tuple[int, int, str]]:
    """Id, group and command line of every process."""
    listed = subprocess.run(["ps", "-axww", "-o", "pid=,pgid=,args="], capture_output=True, text=True).stdout
    found = (re.match(r" *(\d+) +(\d+) (.*)", line) for line in listed.splitlines())
    return [(int(line[1]), int(line[2]), line[3]) for line in found if line]


def kill(folder: str) -> None:
    """No process of the YARN is left. Each container is a group, whose Java says where its log is: in the folder."""
    while groups := {group for _, group, command in processes() if "/java " in command and folder in command}:
        for group in groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        time.sleep(0.1)


if __name__ == "__main__":
    sys.stdin.read()
    kill(sys.argv[1])
