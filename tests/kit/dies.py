"""`spark-submit tests/kit/dies.py [--stop FILE] ingest|replay POINT BATCH <its flags>`: killed at a point of one batch.

The points are those of the sink's protocol. The job itself has no switch for this. The signal is
SIGKILL; with --stop it is SIGSTOP, noted in FILE, and after SIGCONT the driver goes on as if no time had passed.
"""

import os
import signal
import sys
import threading
import time

from jobs import ingest, replay
from jobs.sink import Sink
from jobs.store import S3, Local
from jobs.writer import Writer

POINTS = (
    "after the offset log",
    "while staging",
    "set aside",
    "staged",
    "record response lost",
    "after the record",
    "half published",
    "all published",
    "before Spark's commit",
)
batch = -1  # the one that is running; before the first one the start, which publishes what it finds committed
fate, note = signal.SIGKILL, os.devnull
once = threading.Lock()  # who is stopped and goes on comes by the same point again


def strike() -> None:
    """The signal, to the process group: spark-submit's JVM and Python."""
    if once.acquire(blocking=False):
        with open(note, "a") as file:  # what is printed goes through the JVM, which is stopped too
            print(fate.name, file=file)
        os.killpg(os.getpgrp(), fate)


def before(owner: type, name: str, due) -> None:
    """`owner.name` is struck first when `due(*args)` says so."""
    whole = getattr(owner, name)

    def wrapped(self, *args, **kwargs):
        if batch == doomed and due(self, *args):
            strike()
        return whole(self, *args, **kwargs)

    setattr(owner, name, wrapped)


def after(owner: type, name: str, due) -> None:
    whole = getattr(owner, name)

    def wrapped(self, *args, **kwargs):
        result = whole(self, *args, **kwargs)
        if batch == doomed and due(self, *args):
            strike()
        return result

    setattr(owner, name, wrapped)


def always(*_) -> bool:
    return True


def counted():
    """True from the second call on, however many threads call: the first copy is done, no other begins."""
    lock, calls = threading.Lock(), []

    def second(*_) -> bool:
        with lock:
            calls.append(1)
            if len(calls) == 1:
                return False
            time.sleep(0.5)
            return True

    return second


def once_something_is_staged(sink: Sink, *_) -> bool:
    """Leaves the write to go on, and a thread behind that strikes as soon as a file shows."""

    def watch():
        while not any(sink.writer.store.files(f"{sink.settings.state}/staging")):
            time.sleep(0.001)
        strike()

    threading.Thread(target=watch, daemon=True).start()
    return False


def main(program: str, point: str, number: str, *flags: str) -> int:
    global doomed, fate, note
    if program == "--stop":
        fate, note, (program, point, number, *flags) = signal.SIGSTOP, point, (number, *flags)
    doomed = int(number)
    whole = Sink.__call__

    def call(self, frame, batch_id):
        global batch
        batch = batch_id
        whole(self, frame, batch_id)

    Sink.__call__ = call
    if point == "after the offset log":
        before(Sink, "_ingest", always)
    if point == "while staging":
        before(Sink, "_write", once_something_is_staged)
    if point == "set aside":
        before(Sink, "_aside", always)
    if point == "staged":
        before(Writer, "commit", always)
    for store in (Local, S3):
        if point == "record response lost":
            after(store, "create", always)
        if point == "half published":
            before(store, "copy", counted())
        if point == "all published":
            before(store, "delete", always)
    if point == "after the record":
        before(Writer, "publish", always)
    if point == "before Spark's commit":
        after(Sink, "_ingest", always)
    return {"ingest": ingest, "replay": replay}[program].main([*flags])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
