"""The checkpoints of a folder that several jobs may share."""

from pathlib import Path

from jobs.arguments import parse
from jobs.hadoop import OffsetLog


def begun(spark, folder: Path, table: str, name: str) -> Path:
    """A new checkpoint, as Spark would make it, of a job that writes to `table`."""
    flags = ["--bootstrap-servers", "b:9092", "--topics", "t", "--transform", "t:t", "--table", f"/tmp/{table}"]
    log = OffsetLog(spark, parse([*flags, "--checkpoint", str(folder)]))
    made = Path(log.begin(name).removeprefix("file://"))
    made.mkdir(parents=True)
    return made


def test_a_start_removes_the_checkpoints_of_its_own_tables_starts_only(spark, tmp_path):
    theirs = begun(spark, tmp_path, "theirs", "w-1")
    (tmp_path / "a file of somebody").touch()
    first, second = (begun(spark, tmp_path, "ours", name) for name in ("w-1", "w-2"))
    assert theirs.exists() and second.exists() and not first.exists()
    assert (tmp_path / "a file of somebody").exists()
