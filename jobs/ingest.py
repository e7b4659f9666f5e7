"""Kafka topics to Parquet, exactly once: settings → session → source → transform → sink, and nothing else."""

import sys
from functools import partial

from jobs import contract, exits, query, source
from jobs.arguments import parse
from jobs.brokers import Brokers
from jobs.connection import connected
from jobs.hadoop import OffsetLog
from jobs.offsets import Start
from jobs.progress import Progress, on_terminal
from jobs.session import session
from jobs.settings import Settings
from jobs.sink import Sink
from jobs.stop import Stop
from jobs.store import store_of
from jobs.writer import Places, Writer


def main(argv: list[str]) -> int:
    return exits.code("ingest.py", lambda: ingest(parse(argv)))


def ingest(settings: Settings) -> int:
    """Runs the job; its exit code."""
    function, fingerprint = contract.loaded(settings)
    connection = connected(settings)
    spark = session(f"floodmark {settings.table}")
    try:
        transform = contract.completed(spark, function, settings)
        store = store_of(settings.state)
        writer = Writer(
            store, Places(settings.table, settings.quarantine, settings.state), spark.sparkContext.applicationId
        )
        writer.prove()
        brokers = Brokers(spark, settings, connection)
        start = writer.claim(partial(source.resumed, brokers, settings))
        sink = Sink(writer, fingerprint, settings, OffsetLog(spark, settings), brokers)
        progress = Progress(sink, on_terminal(spark))
        spark.streams.addListener(progress)
        stop = Stop(spark, store, settings.state)
        progress.say("started", writer=writer.id, seq=writer.seq, **settings.printable())
        before = writer.last_batch and writer.last_batch.partitioned_by
        if before not in (None, settings.partition_by):
            said = f"--partition-by: the table's files lie by {'/'.join(before)} until now; few readers take both"
            progress.say("warning", said=said)
        query.run(spark, start, transform, sink, progress, stop)
        writer.begin(Start())  # all is published: from now on the files are their owner's
        stop.obeyed()
        progress.flush()
        progress.say("ended", reason=stop.reason or "drained", seq=writer.seq)
        return 0
    finally:
        spark.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
