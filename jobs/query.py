"""The streaming query: started, watched, started again when it dies of something that isn't ours."""

import collections
import contextlib
import math
import random
import time
from functools import partial

from pyspark.sql import SparkSession
from pyspark.sql.streaming import StreamingQuery

from jobs import source
from jobs.contract import Transform
from jobs.exits import FINAL, Exhausted, first_line
from jobs.flags import AVAILABLE_NOW
from jobs.offsets import Start
from jobs.progress import Progress
from jobs.refusals import Unreachable, meaning
from jobs.settings import Refused
from jobs.sink import Sink, Stopped
from jobs.stop import Stop
from jobs.store import FAULTS
from jobs.writer import Writer

RESTARTS = 5
WINDOW_S = 600
LOOK_EVERY_S = 0.5
LOOK_FOR_OTHERS_S = 10  # a driver without records to write learns only so that another has taken over


class Deaths:
    """When the query died, as far as it counts: an old death is forgotten once the query was of use after it.

    That is when it committed a batch, or lived for long. Waiting for a store that doesn't answer is neither, so that a
    query that gets nothing done ends, however long it takes to die.
    """

    def __init__(self, writer: Writer):
        self.writer = writer
        self.times: collections.deque[float] = collections.deque()
        self.committed = self._committed()

    def _committed(self) -> int | None:
        return self.writer.last_batch and self.writer.last_batch.seq

    def add(self, born: float | None) -> None:
        """One more, of a query that began at `born` if it began at all."""
        now, before = time.monotonic(), self.committed
        self.committed = self._committed()
        if self.committed != before or (born and now - born > WINDOW_S):
            while self.times and self.times[0] < now - WINDOW_S:
                self.times.popleft()
        self.times.append(now)

    def __len__(self) -> int:
        return len(self.times)

    def __str__(self) -> str:
        minutes = math.ceil((self.times[-1] - self.times[0]) / 60)
        return f"the query died {len(self)} times within {minutes} min"


def run(spark: SparkSession, start: Start, transform: Transform, sink: Sink, progress: Progress, stop: Stop) -> None:
    """Ends when the topics are drained (`available-now`) or the job was asked to stop; every other end raises.

    The ledger makes a restart inside the same process safe, so a fault that isn't ours costs one, a few times.
    """
    deaths = Deaths(sink.writer)
    while True:
        born = None
        try:
            if deaths:
                start = sink.writer.resume(partial(source.resumed, sink.brokers, sink.settings))
            progress.gap(start)
            query = _started(spark, start, transform, sink)
            born = time.monotonic()
            _watch(query, sink, stop)
            if sink.failure is None:
                return
            raise sink.failure  # of the last batch before a stop: it may be committed and not published
        except Exception as error:
            cause, sink.failure = sink.failure or error, None
            if isinstance(cause, Stopped):
                return
            if isinstance(cause, FINAL):
                raise cause from None
            refused = cause
            if not isinstance(cause, Refused):
                refused = meaning(sink.settings, str(cause), sink.brokers.connection["bootstrap.servers"])
            if type(refused) is Refused and not sink.has_written and not _lost(sink):
                raise refused from None  # executors may be refused what the driver may do
        deaths.add(born)
        progress.flush()
        line = str(refused or first_line(cause))
        if stop.asked():
            progress.say("warning", said=f"when the job was asked to stop its query died: {line}")
            sink.writer.resume(lambda positions, _: Start(positions=positions))  # the last batch may need publishing
            return
        if len(deaths) > RESTARTS:
            raise Exhausted(f"{deaths}, at last of: {line}") from cause
        progress.say("restarted", deaths=len(deaths), cause=line)
        time.sleep(2 ** len(deaths) / 2 * random.uniform(0.5, 1))


def _lost(sink: Sink) -> bool:
    """Whether something is missing that the next start notes, or nobody can say; raises `Lost` if it may not."""
    try:
        return bool(source.resumed(sink.brokers, sink.settings, sink.writer.positions, sink.writer.ids).missing)
    except Unreachable:
        return True


def _started(spark: SparkSession, start: Start, transform: Transform, sink: Sink) -> StreamingQuery:
    settings = sink.settings
    checkpoint = sink.plan.begin(f"{sink.writer.id}-{sink.writer.seq:012}")
    trigger = {"availableNow": True}
    if settings.trigger != AVAILABLE_NOW:
        trigger = {"processingTime": f"{settings.trigger} milliseconds"}
    return (
        source.stream(spark, settings, sink.brokers.connection, start.positions)
        .transform(transform)
        .writeStream.queryName(settings.table)
        .option("checkpointLocation", checkpoint)
        .trigger(**trigger)
        .foreachBatch(sink)
        .start()
    )


def _watch(query: StreamingQuery, sink: Sink, stop: Stop) -> None:
    """Returns when the query has ended by itself or, between two batches, because the job was asked to stop.

    Brokers that are away don't delay that: a query that asks them for offsets is between two batches.
    """
    looked = time.monotonic()
    try:
        while not query.awaitTermination(LOOK_EVERY_S):
            sink.stopping = stop.asked()
            idle = not query.status["isTriggerActive"]  # looked at afterwards: a batch that begins now doesn't begin
            if sink.stopping and (idle or not (sink.at_work or sink.reports)):
                return
            if idle and time.monotonic() - looked > LOOK_FOR_OTHERS_S:
                looked = time.monotonic()
                with contextlib.suppress(*FAULTS):  # the store doesn't answer: look again later
                    sink.writer.look()
    finally:
        query.stop()  # a batch that still runs is cancelled: two queries may never be alive in one driver
