"""How a command ends: what went wrong, in one line, and the exit code that a scheduler acts on."""

import re
import sys
from collections.abc import Callable

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from jobs.ledger import Unreadable
from jobs.offsets import Lost, OutOfStep
from jobs.settings import Refused
from jobs.store import FAULTS, missing_bucket
from jobs.writer import Fenced, Unusable

# Another try would end in the same way. (What Kafka refuses now, though it was there, may pass.)
FINAL = (Fenced, Lost, Unreadable, Unusable)
# 2: mend the command · 3: another driver runs · 4: a person must look · 1, anything else: start it again.
# (By the exact type: an `Unreachable` is a `Refused` that may pass.)
CODES = dict.fromkeys(FINAL, 4) | {Refused: 2, Fenced: 3}


class Exhausted(Exception):
    """The query died more often than a passing fault explains."""


def code(program: str, run: Callable[[], int]) -> int:
    """What `run` returns; every error a user can cause is one line on stderr."""
    try:
        return run()
    except KeyboardInterrupt:
        return 130
    except (*CODES, Exhausted, OutOfStep, *FAULTS) as error:
        if bucket := missing_bucket(error):
            error = Refused("--table, --quarantine, --state", f"there is no bucket {bucket}; make it, or mend its name")
        if isinstance(error, Exhausted):
            print(error.__cause__, file=sys.stderr)  # the one page of stack that may help
        print(f"{program}: {error}", file=sys.stderr)
        return CODES.get(type(error), 1)
    except (Py4JJavaError, PySparkException) as error:  # outside a query, which is started again
        print(error, file=sys.stderr)
        print(f"{program}: {first_line(error)}", file=sys.stderr)
        return 1


def first_line(error: BaseException) -> str:
    """What happened, in one line: the last cause that Java names, or what Spark puts behind a page of its own."""
    causes = re.findall(r"^Caused by: (.+)$", str(error), re.MULTILINE)
    text = causes[-1] if causes else str(error).partition("terminated with exception: ")[2] or str(error)
    return f"{type(error).__name__}: {text.strip().partition(chr(10))[0]}"[:500]
