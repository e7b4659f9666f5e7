"""One line a batch, for a person or a machine. It reports and never decides."""

import dataclasses
import json
import sys
import time
from typing import TextIO

from pyspark.sql import SparkSession
from pyspark.sql.streaming import StreamingQueryListener

from jobs import offsets
from jobs.offsets import Start
from jobs.sink import Report, Sink

SHOWN = 3  # topics in a live line
PATIENCE = 2  # seconds


class Progress(StreamingQueryListener):
    """Prints JSON lines, or on a terminal one live line that each batch rewrites."""

    def __init__(self, sink: Sink, live: bool = False, out: TextIO = sys.stdout):
        self.sink = sink
        self.out = out
        self.live = live

    def onQueryStarted(self, event):
        pass

    def onQueryProgress(self, event):
        self.batch(event.progress)

    def onQueryIdle(self, event):
        pass

    def onQueryTerminated(self, event):
        pass

    def batch(self, progress) -> None:
        """Prints the batch that Spark's `progress` is about, once; an idle trigger has none."""
        self._report(self.sink.reports.pop(progress.batchId, None), progress)

    def done(self, batch_id: int) -> None:
        """Prints a batch that no streaming query made."""
        self._report(self.sink.reports.pop(batch_id), None)

    def flush(self) -> None:
        """Every finished batch has its line: Spark tells of one a little later, or never, if the query died before."""
        end = time.monotonic() + PATIENCE
        while self.sink.reports and time.monotonic() < end:
            time.sleep(0.05)
        for batch_id in sorted(self.sink.reports):
            self._report(self.sink.reports.pop(batch_id, None), None)

    def _report(self, report: Report | None, progress) -> None:
        if report and report.batch:
            fields = described(report) | {"lag": progress and lag(progress.sources[0])}
            fields |= {name: value for name in ("retries", "warning") if (value := getattr(report, name))}
            self._print(in_words(fields) if self.live else json.dumps(fields), end="" if self.live else "\n")

    def gap(self, start: Start) -> None:
        """Prints a line for each range of offsets that never gets into the table."""
        for missing in start.missing:
            self.say("gap", **dataclasses.asdict(missing), said=str(missing))

    def say(self, event: str, **fields) -> None:
        """Prints a line of its own: the job started, restarted, ended."""
        words = " ".join(f"{name}={value}" for name, value in fields.items())
        self._print(f"\n{event} {words}" if self.live else json.dumps({"event": event, **fields}))

    def _print(self, line: str, end: str = "\n") -> None:
        start = "\r\033[K" if self.live else ""
        self.out.write(start + line + end)
        self.out.flush()


def on_terminal(spark: SparkSession) -> bool:
    """Whether a person looks on: under spark-submit Python writes into a pipe, and the JVM to where the pipe ends."""
    return spark._jvm.java.lang.System.console() is not None


def described(report: Report) -> dict:
    batch = report.batch
    return {
        "batch": batch.batch_id,
        "seq": batch.seq,
        "rows_in": batch.rows_in,
        "rows_written": batch.rows_written,
        "rows_rejected": batch.rows_rejected,
        "holes": batch.holes,
        "files": len(batch.files),
        "bytes": sum(file.bytes for file in batch.files),
        "seconds": report.seconds,
    }


def lag(source) -> dict[str, int] | None:
    """Topic → records on the brokers that the batch did not read yet; none when Spark didn't ask for the ends."""
    if not source.latestOffset or not source.endOffset:
        return None
    latest, done = (offsets.by_partition(json.loads(text)) for text in (source.latestOffset, source.endOffset))
    return {
        topic: sum(max(end - done.get(topic, {}).get(p, 0), 0) for p, end in partitions.items())
        for topic, partitions in latest.items()
    }


def behind(lag: dict[str, int] | None) -> str:
    """The lag of each topic, or of all of them where they don't fit into a line."""
    if lag is None:
        return "?"
    if len(lag) > SHOWN:
        return f"{sum(lag.values()):,} in {len(lag)} topics"
    return ", ".join(f"{topic} {records:,}" for topic, records in lag.items())


def in_words(fields: dict) -> str:
    phases = " ".join(f"{name} {seconds:.1f}" for name, seconds in fields["seconds"].items())
    retries = f" · {fields['retries']} retries" if "retries" in fields else ""
    return (
        f"batch {fields['batch']} · {fields['rows_in']:,} in, {fields['rows_written']:,} written, "
        f"{fields['rows_rejected']:,} rejected · {fields['files']} files, {fields['bytes'] / 2**20:.1f} MiB · "
        f"lag {behind(fields['lag'])} · seconds: {phases}{retries}"
        f"{' · ' + fields['warning'] if 'warning' in fields else ''}"
    )
