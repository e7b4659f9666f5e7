"""`spark-submit jobs/check.py …` or `python -m jobs.check …`: would the job run with these flags?

One line for each check, with what to mend where one fails. Nothing is claimed, committed or shown to a reader, so it
may run beside the job. Exit codes: 0 the job would run, 2 a flag is wrong, 1 a check failed.
"""

import sys
from collections.abc import Callable
from typing import NamedTuple

from pyspark.sql import SparkSession

from jobs import exits, probes, trials
from jobs.arguments import parse
from jobs.session import session
from jobs.settings import Settings
from jobs.store import store_of
from jobs.trials import Known
from jobs.writer import Places, Writer


class Check(NamedTuple):
    """`run` gives some words on what it found, or raises; it makes no sense unless those it comes `after` passed."""

    name: str
    run: Callable[[Known], str]
    after: tuple[str, ...] = ()


def table(known: Known) -> str:
    return probes.place(known.writer, "--table", known.settings.table, known.writer.final("dt=1970-01-01", 0))


def quarantine(known: Known) -> str:
    return probes.place(known.writer, "--quarantine", known.settings.quarantine, known.writer.final("dt=1970-01-01", 0))


def commits(known: Known) -> str:
    return probes.place(known.writer, "--state", f"{known.settings.state}/ledger", "probe")


CHECKS = [
    Check("transform", trials.loads_transform),
    Check("brokers", trials.finds_brokers),
    Check("names", trials.resolves, ("brokers",)),
    Check("ports", trials.opens, ("names",)),
    Check("login", trials.logs_in, ("ports",)),
    Check("leaders", trials.reaches_leaders, ("login",)),
    Check("ledger", trials.reads_ledger),
    Check("offsets", trials.goes_on, ("login", "ledger")),
    Check("records", trials.reads_records, ("leaders",)),
    Check("rows", trials.judges, ("transform", "records")),
    Check("state", lambda known: probes.state(known.writer)),
    Check("commits", commits),
    Check("table", table),
    Check("quarantine", quarantine),
    Check("publish", lambda known: probes.publishes(known.writer), ("state", "table", "quarantine")),
    Check("spark", lambda known: probes.spark_writes(known.spark, known.writer, known.settings.checkpoint), ("state",)),
    Check("group", trials.looks_at_group, ("login",)),
]


def main(argv: list[str]) -> int:
    return exits.code("check.py", lambda: check(parse(argv, "check.py")))


def check(settings: Settings) -> int:
    spark = session(f"check {settings.table}")
    try:
        return checked(spark, settings)
    finally:
        spark.stop()


def checked(spark: SparkSession, settings: Settings) -> int:
    """0 when every check passed; each has printed its line."""
    spark.sparkContext.setLogLevel("OFF")  # the lines say what is wrong
    places = Places(settings.table, settings.quarantine, settings.state)
    known = Known(settings, spark, Writer(store_of(settings.state), places, spark.sparkContext.applicationId))
    wanted = [check for check in CHECKS if check.name != "group" or settings.consumer_group]
    well = [tried(check, known) for check in wanted]
    print("the job would run" if all(well) else f"{well.count(False)} of {len(well)} checks did not pass", flush=True)
    return 0 if all(well) else 1


def tried(check: Check, known: Known) -> bool:
    """Whether the check passed; its line is printed."""
    without = [name for name in check.after if name not in known.passed]
    passed, said = False, f"it needs {', '.join(without)}"
    if not without:
        try:
            passed, said = True, check.run(known)
            known.passed.add(check.name)
        except (trials.Failed, *exits.CODES) as error:
            passed, said = False, str(error)
        except Exception as error:
            passed, said = False, exits.first_line(error)
    status = "not tried:" if without else "ok" if passed else "FAILED"
    print(f"{status:<10} {check.name:<10} {said}", flush=True)
    return passed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
