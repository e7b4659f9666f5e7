"""Asking the job to end: SIGTERM, Ctrl-C, or the marker object `<state>/stop`."""

import contextlib
import os
import signal
import threading
import time

from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession

from jobs.store import FAULTS, Store

SIGNALS = ("TERM", "INT")
ONE_PRESS = 1.0  # seconds: Ctrl-C reaches the JVM and Python, and is still one signal
LOOK_EVERY = 5.0  # seconds between two looks for the marker, so that it costs little on S3


class Stop:
    """`asked` once a first signal or the marker came; a second signal ends the process at once."""

    def __init__(self, spark: SparkSession, store: Store, state: str):
        self.jvm = spark._jvm
        self.store = store
        self.marker = f"{state}/stop"
        self.reason: str | None = None
        self.lock = threading.RLock()  # a signal may come while one is handled
        self.first = 0.0
        self.looked = 0.0
        ensure_callback_server_started(spark.sparkContext._gateway)
        for name in SIGNALS:
            # spark-submit is the JVM: a signal to it would end Spark under the running batch.
            self.jvm.sun.misc.Signal.handle(self.jvm.sun.misc.Signal(name), _Handler(self))
            signal.signal(getattr(signal, f"SIG{name}"), lambda number, _: self.heard(signal.Signals(number).name[3:]))

    def asked(self) -> bool:
        if self.reason is None and time.monotonic() - self.looked >= LOOK_EVERY:
            self.looked = time.monotonic()
            with contextlib.suppress(*FAULTS):  # the store doesn't answer: ask again later
                if self.store.exists(self.marker):
                    self.reason = self.marker
        return self.reason is not None

    def heard(self, name: str) -> None:
        with self.lock:
            now = time.monotonic()
            if self.first and now - self.first > ONE_PRESS:
                code = 128 + getattr(signal, f"SIG{name}")
                try:
                    self.jvm.java.lang.Runtime.getRuntime().halt(code)
                finally:
                    os._exit(code)
            if not self.first:
                self.first, self.reason = now, f"SIG{name}"

    def obeyed(self) -> None:
        """The marker is gone, whatever ended the job, so that the next start runs."""
        self.store.discard(self.marker)


class _Handler:
    """The JVM's signal handler, in Python."""

    def __init__(self, stop: Stop):
        self.stop = stop

    def handle(self, sig):
        self.stop.heard(sig.getName())

    class Java:
        implements = ["sun.misc.SignalHandler"]  # noqa: RUF012
