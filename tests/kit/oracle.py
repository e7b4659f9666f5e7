"""A reader that isn't Spark: lists the table and its quarantine as any engine does, and holds them to the promise."""

import os
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from jobs.store import S3, Local


class Oracle:
    """Looks at table and quarantine again and again: a row twice, a row or file gone, a file changed or unreadable.

    `violations` says what was seen. Files are read by DuckDB, each once, from a copy where the store is S3: what is
    looked at later is that they are still the same.
    """

    def __init__(self, folder: Path, table: str, quarantine: str, client=None):
        self.store = S3(client) if client else Local()
        self.roots = {"table": table, "quarantine": quarantine}
        self.copies, self.aside = Path(folder) / "copies", Path(folder) / "aside"
        self.passes_over = unlikely
        self.away: set[tuple[str, str]] = set()
        self.seen: dict[tuple[str, str], tuple] = {}
        self.db = duckdb.connect()
        self.db.execute("CREATE TABLE rows (root TEXT, file TEXT, topic TEXT, part INT, pos BIGINT)")
        self.violations: list[str] = []
        self.samples = 0
        self.one_at_a_time = threading.Lock()

    def look(self) -> None:
        """One sample: what a reader that lists the folders now would see."""
        with self.one_at_a_time:
            self._look()

    def _look(self) -> None:
        self.samples += 1
        found = {(root, name): mark for root in self.roots for name, mark in self._listed(root)}
        for gone in self.seen.keys() - found.keys() - self.away:
            self.violations.append(f"{gone} vanished")
        self.violations += [f"{back} came back" for back in self.away & found.keys()]
        changed = [file for file in found.keys() & self.seen.keys() if found[file] != self.seen[file]]
        for file in changed:
            self.violations.append(f"{file} changed")
            self.db.execute("DELETE FROM rows WHERE root = ? AND file = ?", file)
            (self.copies / Path(*file)).unlink(missing_ok=True)
        fresh = sorted([*(found.keys() - self.seen.keys()), *changed])
        for file in fresh:
            self.seen[file] = found[file]
            self._read(*file)
        if fresh:
            self._unique()

    def _listed(self, root: str) -> Iterator[tuple[str, tuple]]:
        """Each file that a reader finds in the root, with what tells it from another of its name."""
        if isinstance(self.store, Local):
            for folder, _, files in os.walk(self.roots[root]):
                for path in (Path(folder, name) for name in files):
                    name = str(path.relative_to(self.roots[root]))
                    with suppress(FileNotFoundError):
                        status = path.stat()
                        if not self.passes_over(name):
                            yield name, (status.st_ino, status.st_size, status.st_mtime_ns)
            return
        bucket, _, prefix = f"{self.roots[root]}/".removeprefix("s3://").partition("/")
        for page in self.store.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                name = item["Key"].removeprefix(prefix)
                if not self.passes_over(name):
                    yield name, (item["ETag"], item["Size"])

    def _read(self, root: str, name: str) -> None:
        try:
            rows = f"SELECT ?, ?, _topic, _partition, _offset FROM read_parquet('{self.path(root, name)}')"
            self.db.execute(f"INSERT INTO rows {rows}", [root, name])
        except duckdb.Error as error:
            self.violations.append(f"{root}/{name} can't be read: {error}")

    def _unique(self) -> None:
        twice = self.db.execute(
            "SELECT topic, part, pos, list(file) FROM rows GROUP BY ALL HAVING count(*) > 1 LIMIT 3"
        )
        self.violations += [f"twice: {row}" for row in twice.fetchall()]

    @contextmanager
    def without(self, root: str, name: str) -> Iterator[None]:
        """Meanwhile the file is away, as its owner may move it once it is published: nobody else may bring it back."""
        uri = f"{self.roots[root]}/{name}"
        with self.one_at_a_time:
            if isinstance(self.store, Local):
                Path(uri).rename(self.aside)  # the same file when it returns
            else:
                self.aside.write_bytes(self.store.read(uri))
                self.store.discard(uri)
            self.away.add((root, name))
        try:
            yield
        finally:
            with self.one_at_a_time:
                self._look()
                self.away.clear()
                if isinstance(self.store, Local):
                    self.aside.rename(uri)
                else:
                    self.store.replace(uri, self.aside.read_bytes())

    def path(self, root: str, name: str) -> Path:
        """A local file with the bytes of `name`."""
        uri = f"{self.roots[root]}/{name}"
        if isinstance(self.store, Local):
            return Path(uri)
        path = self.copies / root / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.store.read(uri))
        return path

    def select(self, root: str, columns: str) -> list[tuple]:
        """`columns` of every row that is in `root` now."""
        files = [str(self.path(root, name)) for name, _ in self._listed(root)]
        if not files:
            return []
        return duckdb.execute(f"SELECT {columns} FROM read_parquet($1, union_by_name=true)", [files]).fetchall()

    def rows(self, columns: str, grouped: str = "") -> list[tuple]:
        """`columns` (of root, file, topic, part, pos) of every row seen so far."""
        with self.one_at_a_time:
            return self.db.execute(f"SELECT {columns} FROM rows {grouped}").fetchall()

    def records(self) -> set[tuple[str, int, int]]:
        """(topic, partition, offset) of every row seen so far."""
        return set(self.rows("topic, part, pos"))

    def watch(self) -> "Watch":
        return Watch(self)

    def assert_exactly(self, records: Iterable[tuple[str, int, int]]) -> None:
        """Every sample kept the promise, and what is there now is `records`: none lost, none twice, no other."""
        self.look()
        expected, found = set(records), self.records()
        assert not self.violations, self.violations[:5]
        assert not expected - found, f"{len(expected - found)} lost, for example {min(expected - found)}"
        assert not found - expected, f"{len(found - expected)} rows of nothing, for example {min(found - expected)}"


def unread(name: str) -> bool:
    """Whether Spark, Athena and most engines pass the file over."""
    return any(part.startswith(("_", ".")) for part in name.split("/"))


def unlikely(name: str) -> bool:
    """Whether every engine does. DuckDB's `**/*.parquet` finds those in hidden folders too."""
    return unread(name) and not name.endswith(".parquet")


class Watch:
    """Looks five times a second while its block runs."""

    def __init__(self, oracle: Oracle):
        self.oracle = oracle
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._look)
        self.error: BaseException | None = None

    def _look(self) -> None:
        try:
            while not self.over.is_set():
                self.oracle.look()
                time.sleep(0.2)
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Oracle:
        self.thread.start()
        return self.oracle

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        if self.error:
            raise self.error
