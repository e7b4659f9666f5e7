"""The parts of the sink that need no stream: how many files, which rows, and what stops a batch."""

import dataclasses
import threading
from datetime import datetime
from types import SimpleNamespace

import duckdb
import pytest
from pyspark.sql import functions as F

from jobs import sink as sink_module
from jobs.arguments import parse
from jobs.contract import NULL_FOLDER, placed, unsafe
from jobs.ledger import File
from jobs.rows import ASIDE, SET_ASIDE, beyond, folded, observed, unfolded, unpacked
from jobs.sink import Sink, Stopped, Weight, check
from jobs.writer import Fenced
from transforms.access_log import access_log
from transforms.envelope import dated

MIB = 2**20


def sink(*flags: str, last=None) -> Sink:
    base = ["--bootstrap-servers", "b:9092", "--topics", "t", "--transform", "t:t", "--table", "/tmp/table"]
    return Sink(SimpleNamespace(last_batch=last, look=lambda: None), "print", parse([*base, *flags]), None, None)


def weighed(rows: int, bytes: int, values: int = 1, rejected: tuple[File, ...] = ()):
    """A batch that wrote two files of each partition value."""
    files = [(f"dt={n % values}/{n}", bytes // values // 2, rows // values // 2) for n in range(2 * values)]
    table_files = [File(staged="", final=final, bytes=bytes, rows=rows) for final, bytes, rows in files]
    return SimpleNamespace(table_files=table_files, quarantine_files=rejected)


def uneven(*rows: int):
    """A batch with a file of each partition value."""
    table_files = [File(staged="", final=f"hr={n}/0", bytes=44 * each, rows=each) for n, each in enumerate(rows)]
    return SimpleNamespace(table_files=table_files, quarantine_files=())


def one_file(rows: int) -> File:
    return File(staged="", final="", bytes=1, rows=rows)


@pytest.mark.parametrize(
    "size, last, tasks",
    [
        (10, None, 1),
        (250_000, None, 1),
        (250_001, None, 2),  # worth a second core
        (4_000_000, None, 3),  # 100 bytes a row guessed; the two cores alone would make it 2
        (4_000_000, weighed(1000, 30_000), 2),
        (100_000, weighed(1000, 10 * MIB), 8),
        (100_000, weighed(1000, 10 * MIB, values=4), 2),  # each task writes a file of each value
        (4_000_000, weighed(1000, 30_000, values=10), 2),
        (4_000_000, weighed(1000, 30_000, values=20), 1),  # a second core would make 40 files of 3 MB
        (500_000, uneven(2000, 3000, 10), 2),  # an hour that has just begun makes no file of the others small
        (100_000_000, uneven(2000, *[5] * 400), 2),  # nor keeps a core idle, and 33 tasks would make 13,000 files
        (10, weighed(0, 0), 1),
    ],
)
def test_files_are_sized_by_what_the_last_batch_weighed(spark, size, last, tasks):
    frame = SimpleNamespace(sparkSession=SimpleNamespace(sparkContext=SimpleNamespace(defaultParallelism=2)))
    sizes = sink(last=last)
    sizes._weigh()
    assert sizes._tasks(frame, size, sizes.weights["table"]) == tasks


def test_the_quarantines_files_are_sized_by_their_own_weight(spark, monkeypatch):
    """Its rows are whole records, many times what a row of the table weighs."""
    written = []
    monkeypatch.setattr(Sink, "_write", lambda _, rows, folder, by, weight: written.append((folder, weight)))
    monkeypatch.setattr(Sink, "_aside", lambda _, spark, folder: spark.createDataFrame([], RAW_RECORD))
    monkeypatch.setattr(sink_module, "observed", lambda seen: {"in": 1, "rejected": 1})
    rejected = (File(staged="", final="dt=1/0", bytes=1000 * MIB, rows=1000),)
    rows = spark.createDataFrame([], RAW_RECORD).transform(dated)
    sink(last=weighed(1000, 30_000, rejected=rejected))._stage(rows, 1, "staging")
    assert written == [("staging/table", (30, 1, 1)), ("staging/quarantine", (MIB, 1, 1))]


def test_what_a_replay_brings_again_is_cut_off(spark):
    rows = spark.createDataFrame(
        [("t", p, offset) for p in (0, 1) for offset in range(4)] + [("u", 0, 1)],
        "_topic string, _partition int, _offset bigint",
    )
    left = rows.where(beyond({"t": {0: 3, 1: 0}})).collect()
    assert {(row._topic, row._partition, row._offset) for row in left} == {
        ("t", 0, 3), ("t", 1, 0), ("t", 1, 1), ("t", 1, 2), ("t", 1, 3), ("u", 0, 1),
    }  # fmt: skip


def test_a_record_is_parsed_once_for_table_and_quarantine(records, monkeypatch):
    """Also where the rows come from no stream, as in a replay."""
    plans = []
    monkeypatch.setattr(Sink, "_write", lambda _, rows, *where: plans.append(optimized(rows)))
    monkeypatch.setattr(Sink, "_aside", lambda _, spark, folder: spark.createDataFrame([], RAW_RECORD))
    monkeypatch.setattr(sink_module, "observed", lambda seen: {"in": 1, "rejected": 1})
    rows = records(b"{}").transform(access_log).transform(placed(("dt", "hr")))
    sink("--partition-by", "dt,hr")._stage(rows, 1, "staging")
    every_field = "StructField(event_id,StringType,true),StructField(ts,StringType,true)"
    assert [plan.count(every_field) for plan in plans] == [1, 0]


RAW_RECORD = """
    _topic STRING, _partition INT, _offset BIGINT, _timestamp TIMESTAMP, _key BINARY, _value BINARY,
    _headers ARRAY<STRUCT<key: STRING, value: BINARY>>, _reject STRING
"""


def test_what_is_set_aside_comes_back_byte_for_byte(ansi, spark, tmp_path):
    """Whatever a timestamp is in this session; the long reason is more than JSON's parser takes by itself."""
    at = datetime(2026, 11, 1, 23, 59, 59, 999_999)
    rejected = [
        ("t", 0, 1, at, None, None, None, "no value"),
        ("t", 0, 2, at, b"", b"", [], ""),
        ("a.b-c_d", 7, 2**62, at, bytes(range(256)), b"\xff" * MIB, [('é,"\n', b"\0,"), ("k", None)], "x" * 20_000_001),
    ]
    rows = spark.createDataFrame([("t", 0, 0, at, None, None, None, None), *rejected], RAW_RECORD)
    by, good = "dt,hr", "dt,hr=2026-11-01,23"
    writes = sink("--partition-by", by, "--state", str(tmp_path))
    writes._write(writes._to_stage(dated(rows).coalesce(1)), "staged/table", by, Weight())
    assert {file.parent.name for file in tmp_path.rglob("*.parquet")} == {good, f"{by}={ASIDE}"}
    spark.conf.set("spark.sql.timestampType", "TIMESTAMP_NTZ")
    try:
        found = unpacked(writes._aside(spark, f"staged/table/{by}={ASIDE}"), "t:t").orderBy("_offset").collect()
    finally:
        spark.conf.unset("spark.sql.timestampType")
    assert [(*row[:8],) for row in found] == rejected
    assert {(row.transform, row.dt) for row in found} == {("t:t", "2026-11-01")}


@pytest.mark.parametrize("text", ['{"_topic": "t", "_value": "%"}', '{"_topic": "t", "_value": 1}', '{"_topic": "t"'])
def test_what_was_set_aside_and_cannot_be_read_is_an_error(text, ansi, spark):
    rows = spark.createDataFrame([(text, 0, 0, datetime(2026, 11, 1))], SET_ASIDE)
    with pytest.raises(Exception, match=r"(?i)failfast|malformed"):
        unpacked(rows, "t:t").collect()


def test_no_partition_value_is_the_folder_of_what_was_set_aside(spark):
    values = spark.createDataFrame([("",), (ASIDE,), ("a,",), ("ok",)], "v STRING")
    assert [row[0] for row in values.select(unsafe("v")).collect()] == [True, True, True, False]


def optimized(rows) -> str:
    return rows._jdf.queryExecution().optimizedPlan().toString()


def test_a_column_that_outgrew_its_dictionary_has_none_in_the_next_file(spark, tmp_path):
    columns = ("md5(cast(id DIV 3 AS STRING)) AS many", "id % 7 AS few", "'2026' AS dt")
    rows = spark.range(150_000).selectExpr(*columns).coalesce(1)
    writes = sink("--state", str(tmp_path))

    def written(name: str) -> File:
        writes._write(rows, name, "dt", Weight())
        (file,) = tmp_path.glob(f"{name}/dt=2026/*.parquet")
        return File(staged=str(file.relative_to(tmp_path)), final="", bytes=1, rows=150_000)

    first = written("first")
    writes._learn(spark, (dataclasses.replace(first, rows=99_999),))
    assert writes.outgrown is None
    writes._learn(spark, (first,))
    assert writes.outgrown == {"many"}
    assert with_dictionary(tmp_path / first.staged) == {"many", "few"}
    assert with_dictionary(tmp_path / written("second").staged) == {"few"}


def test_a_column_with_a_dot_is_a_column(spark, tmp_path):
    rows = spark.createDataFrame([("t", 0, 0, datetime(2026, 11, 1), None, None, None, None)], RAW_RECORD)
    rows = rows.select("*", F.lit(200).alias("http.status"), F.struct(F.lit(1).alias("status")).alias("http"))
    writes = sink("--state", str(tmp_path))
    writes._write(writes._to_stage(dated(rows)), "staged/table", "dt", Weight())
    (file,) = tmp_path.rglob("*.parquet")
    assert duckdb.sql(f"""SELECT "http.status" FROM '{file}'""").fetchall() == [(200,)]


def test_staged_folders_become_those_that_spark_would_make(spark, tmp_path):
    columns = ("id", "'2026-11-0' || id AS dt", "date_from_unix_date(id) AS day", "id - 1 AS n", "'a-b_c.d' AS s")
    rows = spark.range(3).selectExpr(*columns)
    writes = sink("--state", str(tmp_path))
    for by in (("dt",), ("n",), ("day", "n"), ("s", "dt", "day", "n")):
        name = "-".join(by)
        own = [column for column in rows.columns if column not in by]
        judged = rows.withColumn("_reject", F.lit(None)).selectExpr(*own, folded(by))
        writes._write(judged, f"{name}/staged", ",".join(by), Weight())
        rows.write.partitionBy(*by).parquet(f"{tmp_path}/{name}/expected")
        expected = contents(tmp_path / name / "expected")
        assert {unfolded(folder): data for folder, data in contents(tmp_path / name / "staged").items()} == expected


def test_a_staged_null_becomes_a_null(spark, tmp_path):
    """As the day of a rejected record without a time."""
    rows = spark.sql("SELECT 1 AS id, CAST(null AS STRING) AS dt")
    sink("--state", str(tmp_path))._write(rows, "staged", "dt", Weight())
    (folder,) = contents(tmp_path / "staged")
    assert unfolded(folder) == f"dt={NULL_FOLDER}"


def contents(root) -> dict[str, tuple[list[str], list[tuple]]]:
    """The columns and rows of each folder with files below `root`."""
    folders = {file.parent for file in root.rglob("*.parquet")}
    found = {
        folder: duckdb.sql(f"FROM read_parquet('{folder}/*.parquet', hive_partitioning=false)") for folder in folders
    }
    return {str(folder.relative_to(root)): (rows.columns, rows.fetchall()) for folder, rows in found.items()}


def with_dictionary(file) -> set[str]:
    question = f"SELECT path_in_schema FROM parquet_metadata('{file}') WHERE dictionary_page_offset IS NOT NULL"
    return {name for (name,) in duckdb.execute(question).fetchall()}


def test_rows_that_are_not_all_staged_once_are_not_committed():
    counts, files = (
        {"in": 5, "rejected": 2},
        {"table": [one_file(3)], "quarantine": [one_file(2)]},
    )
    check(counts, files, size=5)
    check(counts, files, size=9)  # a compacted topic has holes
    for wrong in ({"in": 6, "rejected": 2}, {"in": 4, "rejected": 1}, {"in": 5, "rejected": 1}):
        with pytest.raises(OSError, match="not committed"):
            check(wrong, files, size=9)
    with pytest.raises(OSError, match="not committed"):
        check(counts, files, size=4)


def test_a_batch_whose_staging_another_driver_removed_ends_fenced(monkeypatch):
    def fails(of):
        def failing(*_):
            raise of

        return failing

    writes = sink()
    writes.plan = SimpleNamespace(size=lambda ranges: 5)
    writes.writer = SimpleNamespace(positions={}, staging=lambda: "staging", look=fails(Fenced("driver b")))
    monkeypatch.setattr(Sink, "_stage", fails(OSError("no such folder")))
    with pytest.raises(Fenced):
        writes._ingest(None, 0, {"t": {0: (0, 5)}})


def test_a_count_that_never_comes_ends_the_batch_and_not_the_job(monkeypatch):
    monkeypatch.setattr("jobs.rows.PATIENCE_S", 0.1)

    class Silent:
        @property
        def get(self):
            threading.Event().wait(5)

    with pytest.raises(OSError, match="not committed"):
        observed(Silent())


def test_why_there_is_no_count_is_told():
    class Broken:
        @property
        def get(self):
            raise RuntimeError("the JVM is gone")

    with pytest.raises(RuntimeError, match="the JVM is gone"):
        observed(Broken())


def test_a_job_that_was_asked_to_end_begins_no_batch():
    made = sink()
    made.stopping = True
    with pytest.raises(Stopped):
        made(None, 7)
    assert isinstance(made.failure, Stopped)
