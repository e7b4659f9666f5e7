"""`make demo`: events through a real broker and the real job, which is killed half-way; then DuckDB counts.

python -m tests.kit.demo [--keep]
python -m tests.kit.demo --send 1000 --to HOST:PORT
"""

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb

from tests.kit.broker import Broker
from tests.kit.events import access_log_events
from tests.kit.job import LINE, ROOT, Job, kill

EVENTS = 200_000
TOPICS = {"shop-access": 4, "api-access": 2}  # partitions
BATCH = 40_000
FLAGS = ("--topics", ",".join(TOPICS), "--transform", "transforms.access_log:access_log", "--partition-by", "dt,hr")
QUESTIONS = {
    "a few rows": "SELECT _topic, _partition, _offset, ts, method, path, status FROM table_ ORDER BY ts LIMIT 5",
    "rows per hour": "SELECT dt, hr, count(*) AS rows, round(avg(duration_ms), 1) AS mean_ms FROM table_ "
    "GROUP BY ALL ORDER BY ALL",
    "the quarantine by reason": "SELECT reason, count(*) AS records, min(TRY(decode(_value))[:40]) AS for_example "
    "FROM quarantine_ GROUP BY ALL ORDER BY records DESC",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", allow_abbrev=False)
    parser.add_argument("--keep", action="store_true", help="leave the broker and the files up")
    parser.add_argument("--send", type=int, metavar="N", help="only send N events to the broker that --keep left up")
    parser.add_argument("--to", metavar="HOST:PORT")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # what it made is removed then too
    if asked.send:
        broker = Broker(tempfile.gettempdir())
        broker.bootstrap = asked.to
        print(f"{produced(broker, asked.send, seed=int(time.time())):,} events sent to {asked.to}")
        return 0
    folder = Path(tempfile.mkdtemp(prefix="floodmark-"))
    try:
        return show(folder, asked.keep)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def show(folder: Path, keep: bool) -> int:
    begin = time.monotonic()
    step(f"Kafka: starting a real broker in {folder}")
    with Broker(folder / "broker") as broker:
        for topic, partitions in TOPICS.items():
            broker.create_topic(topic, partitions)
        produced(broker, EVENTS, seed=20261101)
        step(f"Kafka: {EVENTS:,} access-log events are in {' and '.join(TOPICS)} on {broker.bootstrap}")
        table = folder / "table"
        job = Job(folder, "--bootstrap-servers", broker.bootstrap, *FLAGS, "--table", str(table))
        seen = ingest(job, table)
        results = counted(table)
        step(f"done in {time.monotonic() - begin:.0f} s with Spark {LINE}; {seen} batches, one kill -9")
        if keep:
            explore(broker.bootstrap, table)
    return 0 if results == {"lost": 0, "duplicated": 0} else 1


def produced(broker: Broker, count: int, seed: int) -> int:
    """So many events in the topics, three quarters of them in the first."""
    share = {"shop-access": count * 3 // 4, "api-access": count - count * 3 // 4}
    for n, (topic, events) in enumerate(share.items()):
        broker.produce(topic, ((*event[:4], None) for event in access_log_events(events, seed + n)))
    return count


def ingest(job: Job, table: Path) -> int:
    """Runs the job until the topics are drained, with a kill -9 on the way; how many batches it took."""
    step("job: spark-submit jobs/ingest.py --trigger 1s …")
    process = job.start("--trigger", "1s", "--max-records", str(BATCH))
    batches = 0
    for line in lines(process, job.log):
        batches += 1
        if line["batch"] >= 1:
            staging = Path(f"{table}_state/staging")
            while not any(staging.glob("*/table/**/*.parquet")) and process.poll() is None:
                time.sleep(0.01)
            kill(process)
            break
    step(f"job: killed with -9 while it staged batch {batches}; what a reader sees now is {files(table)} whole files")
    step("job: spark-submit jobs/ingest.py --trigger available-now …   started again, no other step")
    position = job.log.stat().st_size
    process = job.start("--trigger", "available-now", "--max-records", str(BATCH))
    batches += sum(1 for _ in lines(process, job.log, position))
    if process.wait():
        raise SystemExit(f"the job ended with {process.returncode}:\n{job.said()[-3000:]}")
    return batches


def lines(process: subprocess.Popen, log: Path, position: int = 0) -> Iterator[dict]:
    """The job's progress lines as they come, shown as one live line; ends with the process."""
    begin, shown, text = time.monotonic(), "", ""
    with log.open() as file:
        file.seek(position)
        while True:
            text = file.readline() if text.endswith("\n") else text + file.readline()
            if not text.endswith("\n"):
                if process.poll() is not None:
                    break
                waiting = shown or "Spark is starting"
                live(f"{time.monotonic() - begin:4.0f} s  {waiting}")
                time.sleep(0.2)
            elif text.startswith('{"batch"'):
                line = json.loads(text)
                lag = "?" if line["lag"] is None else f"{sum(line['lag'].values()):,}"
                shown = (
                    f"batch {line['batch']}: {line['rows_written']:,} rows written, {line['rows_rejected']} rejected, "
                    f"{line['files']} files, lag {lag}"
                )
                live(f"{time.monotonic() - begin:4.0f} s  {shown}", end="\n")
                yield line


def counted(table: Path) -> dict[str, int]:
    """What DuckDB, which knows nothing of the job, finds in the folders; prints it and the sum."""
    db = duckdb.connect()
    for name in ("table", "quarantine"):
        folder = table if name == "table" else f"{table}_quarantine"
        db.execute(f"CREATE VIEW {name}_ AS FROM read_parquet('{folder}/**/*.parquet', hive_partitioning=true)")
    tree(table)
    for title, query in QUESTIONS.items():
        print(f"\n{title}\n{db.sql(query)}".rstrip())
    key = "_topic, _partition, _offset"
    rows, bad, distinct = db.execute(
        f"SELECT (SELECT count(*) FROM table_), (SELECT count(*) FROM quarantine_), (SELECT count(*) FROM "
        f"(SELECT DISTINCT {key} FROM (SELECT {key} FROM table_ UNION ALL SELECT {key} FROM quarantine_)))"
    ).fetchone()
    results = {"lost": EVENTS - distinct, "duplicated": rows + bad - distinct}
    print(f"\n  produced {EVENTS:,} = table {rows:,} + quarantine {bad:,}"
          f"      {results['lost']} lost, {results['duplicated']} duplicated\n")  # fmt: skip
    return results


def tree(table: Path) -> None:
    print("\nthe folders")
    for root in (table, Path(f"{table}_quarantine"), Path(f"{table}_state")):
        print(f"  {root.name}/")
        for folder in sorted({path.parent for path in root.rglob("*") if path.is_file() and path.name[0] != "."}):
            names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name[0] != ".")
            print(f"    {folder.relative_to(root)}/  {names[0]}{f' … {len(names)} files' if names[1:] else ''}")


def explore(bootstrap: str, table: Path) -> None:
    python = sys.executable
    flags = " ".join(["--bootstrap-servers", bootstrap, *FLAGS, "--table", str(table)])
    print(f"""
everything is still up; in another terminal:
  cd {ROOT}
  {python} -m tests.kit.demo --send 1000 --to {bootstrap}
  make run SPARK={LINE} ARGS="{flags} --trigger available-now"
  {python} -c "import duckdb; print(duckdb.sql(\\"SELECT dt, hr, count(*) FROM '{table}/**/*.parquet' GROUP BY ALL\\"))"
  cat {table}_state/ledger/*.json | tail -c 2000
Ctrl-C here ends the broker and removes {table.parent}
""")
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        print()


def files(table: Path) -> int:
    return sum(1 for _ in table.rglob("*.parquet"))


def step(text: str) -> None:
    live(f"== {text}", end="\n")


def live(text: str, end: str = "") -> None:
    """A line that the next one replaces, on a terminal; elsewhere only what is there to stay."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end=end, flush=True)
    elif end:
        print(text, end=end, flush=True)


if __name__ == "__main__":
    sys.exit(main())
