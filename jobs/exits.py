"""How a command ends: what went wrong, in one line, and the exit code that a scheduler acts on."""

import sys
from collections.abc import Callable

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException

from jobs import query
from jobs.offsets import OutOfStep
from jobs.settings import Refused
from jobs.store import FAULTS, missing_bucket
from jobs.writer import Fenced

# 2: mend the command · 3: another driver runs · 4: a person must look · 1, anything else: start it again.
# (By the exact type: an `Unreachable` is a `Refused` that may pass.)
CODES = dict.fromkeys(query.FINAL, 4) | {Refused: 2, Fenced: 3}


def code(program: str, run: Callable[[], int]) -> int:
    """What `run` returns; every error a user can cause is one line on stderr."""
    try:
        return run()
    except KeyboardInterrupt:
        return 130
    except (*CODES, query.Exhausted, OutOfStep, *FAULTS) as error:
        if bucket := missing_bucket(error):
            error = Refused("--table, --quarantine, --state", f"there is no bucket {bucket}; make it, or mend its name")
        if isinstance(error, query.Exhausted):
            print(error.__cause__, file=sys.stderr)  # the one page of stack that may help
        print(f"{program}: {error}", file=sys.stderr)
        return CODES.get(type(error), 1)
    except (Py4JJavaError, PySparkException) as error:  # outside a query, which is started again
        print(error, file=sys.stderr)
        print(f"{program}: {query.first_line(error)}", file=sys.stderr)
        return 1
