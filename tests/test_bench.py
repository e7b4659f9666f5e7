"""What the bench makes of its measurements."""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import duckdb
import pytest

from jobs.sink import Report
from tests.bench import age, drain, flame, latency, measured, prices, profiled, started, traffic
from tests.bench.contenders import OURS, YARDSTICK_OUR_START, Start, chosen
from tests.bench.drain import Run, Sent, miscounted, result, verdict
from tests.bench.measured import Measured
from tests.bench.steps import Steps
from tests.kit.events import Event, access_log_events


def run(wall: float, cpu: float, *batches: tuple[float, int]) -> Measured:
    said = [(0.5, {"event": "started"}), *((at, {"batch": n, "rows_in": rows}) for n, (at, rows) in enumerate(batches))]
    return Measured(wall, cpu, 2**30, said)


def test_cpu_is_that_of_the_whole_process_tree(monkeypatch, tmp_path):
    monkeypatch.setattr(measured, "sample", lambda *_: None)  # of memory, with a package that only the bench installs
    burner = tmp_path / "burner.py"
    burner.write_text("import time\nwhile time.process_time() < 0.5: pass\nprint('{\"batch\": 0}')")
    start = Start(["sh", "-c", f"sh -c '{sys.executable} {burner} && true' && true"], {})
    found = measured.measured(start, tmp_path / "log")
    assert found.cpu > 0.4 and [line for _, line in found.batches] == [{"batch": 0}]


def three_runs(wrong: str = "") -> list[Run]:
    large = [run(wall, 20 + extra, (1, 1), (2, 9)) for wall, extra in ((30, 0), (20, 9), (25, 0))]
    return [Run(one, run(5, 11), wrong * (n == 2), 4, 100) for n, one in enumerate(large)]


def test_the_first_batch_is_not_warm():
    assert run(9, 9, (3.0, 1000), (4.0, 500), (7.0, 1000)).warm == 1500 / 4
    assert run(9, 9, (3.0, 1000)).warm is None


def test_what_starting_costs_is_told_from_what_a_record_costs():
    found = result(three_runs(), rows=1_000_000)
    assert (found.wall, found.cpu, found.cpu_per_record, found.small_cpu) == (25, 20, 10, 11)  # 9 for 900,000 records
    assert (found.warm, found.wrong) == (9, "")


def test_one_wrong_round_makes_a_contender_wrong(capsys):
    results = {"a": result(three_runs(), 1_000_000), "b": result(three_runs("2 rows"), 1_000_000)}
    assert verdict({"a": results["a"]}) == 0 and not capsys.readouterr().out
    assert verdict(results) == 1
    assert capsys.readouterr().out == "WRONG: b: 2 rows\n"


(BROKEN,), GOOD = [*access_log_events(1, 1, broken=1)], [*access_log_events(3, 1, broken=0)]


def sent(events: Iterable[Event]) -> Sent:
    found = Sent()
    for event in events:
        assert found.noted(event) is event
    return found


def tabled(folder: Path, offsets: list[int], quarantined: list[int], column: str = "*") -> Path:
    """The good events with these numbers in a table, and others in its quarantine."""
    rows = [{**json.loads(GOOD[n].value), "_topic": "t", "_partition": 0, "_offset": n} for n in offsets]
    for root, content in {"table": rows, "table_quarantine": [{**rows[0], "_offset": n} for n in quarantined]}.items():
        if content:
            (folder / root).mkdir()
            (folder / "rows.json").write_text(json.dumps(content))
            written(folder / root / "1.parquet", f"SELECT {column} FROM '{folder}/rows.json'")
    return folder / "table"


@pytest.mark.parametrize(
    "offsets, quarantined, column, wrong",
    [
        ([0, 1, 2], [3], "*", ""),
        ([0, 1], [3], "*", "2 good rows of 3"),
        ([0, 1, 1], [3], "*", "3 different records of 4"),
        ([0, 1, 2], [], "*", "3 rows of 4"),
        ([0, 1], [2, 3], "*", "2 good rows of 3"),
        ([0, 1, 2], [3], "* REPLACE (NULL AS ts)", "0 times of 3"),
        ([0, 1, 2], [3], "* REPLACE ('x' AS event_id)", "1 different ids of 3"),
        ([0, 1, 2], [3], "* REPLACE (bytes + 1 AS bytes)", "bytes in all"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_told(tmp_path, offsets, quarantined, column, wrong):
    said = miscounted(tabled(tmp_path, offsets, quarantined, column), sent([*GOOD, BROKEN]))
    assert wrong in said and bool(said) == bool(wrong)


def test_an_empty_table_is_wrong(tmp_path):
    assert miscounted(tmp_path / "table", sent(GOOD)) == "3 good records sent, no file"


def written(file, rows: str) -> None:
    duckdb.execute(f"COPY ({rows}) TO '{file}' (FORMAT parquet)")


def test_only_names_a_contender_by_any_of_its_words():
    assert chosen(["Floodmark", "Spark's sink", "Python"], ["flood", "sink"]) == ["Floodmark", "Spark's sink"]
    assert chosen(["Floodmark", "Floodmark, bad"], ["floodmark"]) == ["Floodmark"]
    assert chosen(["Floodmark", "Floodmark, bad"], None) == ["Floodmark", "Floodmark, bad"]
    with pytest.raises(SystemExit, match="Python; Spark"):
        chosen(["Python", "Spark"], ["x"])


@pytest.mark.parametrize("flag, value", [("--rows", "9"), ("--rows", "x"), ("--runs", "0"), ("--store", "gcs")])
def test_a_wrong_flag_is_named(capsys, flag, value):
    with pytest.raises(SystemExit, match="2"):
        drain.main([flag, value])
    assert f"argument {flag}: " in capsys.readouterr().err


LOG = """\
127.0.0.1 - - [26/Nov/2026 18:01:18] "PUT /floodmark/table/a.parquet HTTP/1.1" 200 -
 * Running on http://127.0.0.1:1
127.0.0.1 - - [26/Nov/2026 18:01:18] "GET /floodmark?list-type=2&prefix=table/ HTTP/1.1" 200 -
127.0.0.1 - - [26/Nov/2026 18:01:18] "GET /floodmark/?list-type=2 HTTP/1.1" 200 -
127.0.0.1 - - [26/Nov/2026 18:01:19] "\x1b[35m\x1b[1mGET /floodmark/table/a.parquet?versionId=1 HTTP/1.1\x1b[0m" 206 -
127.0.0.1 - - [26/Nov/2026 18:01:19] "\x1b[33mHEAD /floodmark/table HTTP/1.1\x1b[0m" 404 -
127.0.0.1 - - [26/Nov/2026 18:01:19] "POST /floodmark/?delete HTTP/1.1" 200 -
127.0.0.1 - - [26/Nov/2026 18:01:19] "POST /floodmark/table/b?uploads HTTP/1.1" 200 -
127.0.0.1 - - [26/Nov/2026 18:01:19] "\x1b[35m\x1b[1mDELETE /floodmark/table/a HTTP/1.1\x1b[0m" 204 -
"""


def test_requests_are_told_apart_as_the_price_list_does(tmp_path):
    expected = {"PUT": 1, "LIST": 2, "GET": 1, "HEAD": 1, "DELETE": 2, "POST": 1}
    assert traffic.kinds(LOG.splitlines()) == expected
    (tmp_path / "s3.log").write_text(LOG)
    half = LOG.index("127", LOG.index("versionId"))
    first, second = traffic.between(tmp_path / "s3.log", [0, half, len(LOG)])
    assert first == {"PUT": 1, "LIST": 2, "GET": 1} and first + second == expected


def test_a_month_of_requests_has_its_price():
    requests = {"PUT": 6, "POST": 1, "LIST": 3, "GET": 5, "HEAD": 5, "DELETE": 9}
    assert prices.price(requests) == pytest.approx(0.000054)
    assert prices.monthly("Spark", requests, 60) == pytest.approx(0.000054 * 43_200)
    looks = 0.2 + 0.1  # a second, each a GET or HEAD
    assert prices.monthly(OURS, requests, 60) == pytest.approx(0.000054 * 43_200 + looks * 2_592_000 * 0.0000004)


def test_a_mean_is_of_the_batches_from_first_to_last():
    steps = Steps([], [Counter(PUT=number, LIST=1) for number in range(2, 31)], 0)
    assert steps.mean(11, 30) == {"PUT": sum(range(11, 31)) / 20, "LIST": 1}


def test_requests_are_shown_by_what_they_cost():
    shown = prices.table({OURS: {"PUT": 6, "POST": 1, "LIST": 2, "GET": 3, "HEAD": 4, "DELETE": 5}}).splitlines()[2]
    assert shown.startswith("| Floodmark | 7.0 | 2.0 | 7.0 | 5.0 | 12.70 |")


@pytest.mark.parametrize(
    "point, batches, expected",
    [
        (10, 2000, (6, 14)), (100, 2000, (51, 149)), (1000, 2000, (950, 1050)), (2000, 2000, (1900, 2000)),
        (10, 10, (2, 10)), (3, 99, (2, 10)), (20, 20, (2, 20)),
    ],
)  # fmt: skip
def test_batches_lie_around_each_point(point, batches, expected):
    assert age.window(point, batches) == expected


def test_the_cost_of_old_batches_is_a_median_with_the_mean_beside_it():
    steps = Steps([float(number) for number in range(2, 20)] + [200.0], [], 77)
    assert age.points(20) == [10, 20] and age.points(2000) == [10, 100, 1000, 2000]
    assert age.table({"a": steps}, 20).splitlines()[2:] == ["| a | 10 (10) | 11 (20) | 77 |"]


def test_requests_of_old_batches_are_shown_in_place_of_times():
    steps = Steps([1.0] * 19, [Counter(PUT=number) for number in range(2, 21)], 77)
    _, _, puts, *others = age.table({"a": steps}, 20).splitlines()
    assert puts == "| a: PUT | 10.0 | 11.0 | 77 |" and len(others) == 5


def test_the_phases_of_a_start_are_those_of_functions_that_exist():
    for owner, name, _ in started.CALLS:
        assert callable(getattr(owner, name))
    report = Report(0, seconds={"stage": 1.0})
    calls = [("session", 3.0, 5.0, None), ("batch", 6.0, 7.5, report), ("batch", 8.0, 9.0, report)]
    found = started.phases(launched=0.0, python=1.0, imported=2.5, calls=calls)
    parts = {"JVM until Python runs": 1.0, "imports": 1.5, "session": 2.0, "planning": 1.0, "stage": 1.0}
    assert found == parts | {"connecting and other": 1.0, "first file": 7.5}


def test_latency_is_from_the_timestamp_until_the_file_is_readable(tmp_path):
    file = str(tmp_path / "1.parquet")
    written(file, "SELECT make_timestamp(1000000 * unnest(range(0, 101))) AS _timestamp")
    found = latency.latency({file: 100.5}, begin=50)
    assert found == pytest.approx((101, 51, 25.5, 50.0, 50.5))


def test_a_file_is_readable_once_it_has_its_end_and_no_engine_looks_at_hidden_ones(tmp_path):
    (tmp_path / "dt=1").mkdir()
    (tmp_path / "_spark_metadata").mkdir()
    for name in ("dt=1/a.parquet", "dt=1/.b.parquet", "_spark_metadata/c.parquet", "dt=1/d.parquet.crc"):
        (tmp_path / name).write_bytes(b"PAR1" + bytes(20))
    (file,) = latency.listed(tmp_path)
    assert file.endswith("dt=1/a.parquet") and not latency.whole(file)
    (tmp_path / "dt=1/a.parquet").write_bytes(b"PAR1" + bytes(20) + b"PAR1")
    assert latency.whole(file)


SAMPLES = """\
jdk.ExecutionSample {
  startTime = 18:16:01.000
  sampledThread = "Executor task launch worker for task 0.0 in stage 0.0 (TID 0)" (javaThreadId = 66)
  state = "STATE_RUNNABLE"
  stackTrace = [
    a.Json.parse(String) line: 12
    a.Row.<init>(int)
    a.Json.parse(String) line: 3
    a.Task.run() line: 1
  ]
}

jdk.ExecutionSample {
  sampledThread = "main" (javaThreadId = 1)
  stackTrace = [
    a.Main.main(String[]) line: 1
  ]
}

jdk.ExecutionSample {
  sampledThread = "Executor task launch worker for task 1.0 in stage 0.0 (TID 1)" (javaThreadId = 67)
  stackTrace = [
    a.Parquet.write() line: 7
    a.Task.run() line: 1
    ...
  ]
}
"""


def test_a_flame_graph_is_of_tasks_only():
    found = flame.stacks(SAMPLES)
    assert found == {
        ("a.Task.run", "a.Json.parse", "a.Row.<init>", "a.Json.parse"): 1,
        ("a.Task.run", "a.Parquet.write"): 1,
    }
    assert flame.kinds(found) == {"writing Parquet": 1, flame.REST: 1}
    assert next(iter(flame.boxes(found.items()))) == ("a.Task.run", 0, 0, 2)
    assert ("a.Parquet.write", 1, 1, 1) in flame.boxes(found.items())
    drawn = flame.svg(found)
    assert "<title>a.Task.run: 100.0%</title>" in drawn and "a.Row.&lt;init&gt;: 50.0%" in drawn


def test_what_tasks_do_is_told_by_the_innermost_frame_and_beside_the_sinks():
    parse = "com.fasterxml.jackson.core.json.ReaderBasedJsonParser.nextToken"
    row = "org.apache.spark.sql.catalyst.expressions.GeneratedClass$SpecificUnsafeProjection.apply"
    ours = Counter({("Task.run", row, parse, "java.lang.String.<init>"): 3, ("Task.run", row): 1, ("Task.run",): 1})
    sinks = Counter({("Task.run", row, parse): 2})
    _, _, _, parsing, _, _, copies, rest, whole = profiled.table({OURS: ours, YARDSTICK_OUR_START: sinks}).splitlines()
    assert parsing == "| parsing JSON | 150 | 100 |"
    assert copies == "| other expressions, copies of rows | 50 | 0 |"
    assert (rest, whole) == ("| the rest | 50 | 0 |", "| all | 250 | 100 |")
