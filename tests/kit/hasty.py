"""`spark-submit tests/kit/hasty.py <flags of the job>`: the job, soon out of patience with its store."""

import sys

from jobs import ingest, query, store

if __name__ == "__main__":
    store.PATIENCE["retries"]["total_max_attempts"] = 2
    query.RESTARTS = 2
    sys.exit(ingest.main(sys.argv[1:]))
