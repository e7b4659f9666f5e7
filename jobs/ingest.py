"""Kafka topics to Parquet, exactly once: settings → session → source → transform → sink, and nothing else."""

import sys
from functools import partial

from jobs import contract, query, source
from jobs.brokers import Brokers
from jobs.connection import connected
from jobs.hadoop import OffsetLog
from jobs.offsets import Start
from jobs.progress import Progress
from jobs.session import session
from jobs.settings import Refused, Settings, parse
from jobs.sink import Sink
from jobs.stop import Stop
from jobs.store import FAULTS, store_of
from jobs.writer import Fenced, Places, Writer

# What ended the job, for a scheduler: 2 mend the command, 3 another driver runs, 4 a person must look, 1 try again.
EXIT_CODES = dict.fromkeys(query.FINAL, 4) | {Refused: 2, Fenced: 3}


def main(argv: list[str]) -> int:
    """Runs the job; its exit code. Every error a user can cause is one line on stderr."""
    try:
        settings = parse(argv)
        return ingest(settings, *contract.loaded(settings))
    except KeyboardInterrupt:
        return 130
    except (*EXIT_CODES, query.Exhausted, *FAULTS) as error:
        if isinstance(error, query.Exhausted):
            print(error.__cause__, file=sys.stderr)  # the one page of stack that may help
        print(f"ingest.py: {error}", file=sys.stderr)
        return EXIT_CODES.get(type(error), 1)


def ingest(settings: Settings, function: contract.Transform, fingerprint: str) -> int:
    spark = session(f"floodmark {settings.table}")
    try:
        transform = contract.completed(spark, function, settings)
        store = store_of(settings.state)
        writer = Writer(
            store, Places(settings.table, settings.quarantine, settings.state), spark.sparkContext.applicationId
        )
        writer.prove()
        brokers = Brokers(spark, settings, connected(settings))
        start = writer.claim(partial(source.resumed, brokers, settings))
        sink = Sink(writer, fingerprint, settings, OffsetLog(spark, settings.checkpoint), brokers)
        progress = Progress(sink)
        spark.streams.addListener(progress)
        stop = Stop(spark, store, settings.state)
        progress.say("started", writer=writer.id, seq=writer.seq, **settings.printable())
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
