"""`spark-submit tests/kit/stalls.py SECONDS <flags of the job>`: the job, slow to commit what it has staged."""

import sys
import time

from jobs import ingest
from jobs.writer import Writer


def main(seconds: str, *flags: str) -> int:
    commit = Writer.commit

    def slow(self, **fields):
        time.sleep(float(seconds))
        return commit(self, **fields)

    Writer.commit = slow
    return ingest.main([*flags])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
