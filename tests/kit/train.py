"""`python -m tests.kit.train`: runs the job once, small, and keeps the classes that it loaded for a fast start."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from emr import local
from tests.kit.broker import Broker
from tests.kit.events import access_log_events

EVENTS = 2_000  # one in two hundred is bad: the quarantine's classes too
FLAGS = ("--transform", "transforms.access_log:access_log", "--partition-by", "dt,hr", "--trigger", "available-now")


def main() -> int:
    half_made = local.ARCHIVE.with_suffix(".half")
    with tempfile.TemporaryDirectory(prefix="floodmark-train-") as folder, Broker(Path(folder) / "broker") as broker:
        broker.create_topic("train", 2)
        broker.produce("train", ((*event[:4], None) for event in access_log_events(EVENTS, seed=1)))
        where = ("--bootstrap-servers", broker.bootstrap, "--topics", "train", "--table", f"{folder}/table")
        words = ["jobs/ingest.py", *FLAGS, *where]
        done = subprocess.run(
            local.command(words, java=f"-XX:ArchiveClassesAtExit={half_made}"),
            env={**os.environ, **local.environment(words)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    if done.returncode:
        print(done.stdout[-3000:], file=sys.stderr)
        return 1
    half_made.touch()  # not every runtime can make one; none is started with what isn't one
    half_made.replace(local.ARCHIVE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
