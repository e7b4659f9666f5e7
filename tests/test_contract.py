"""What is asked of a transform, before a record is read."""

import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pyspark.sql import functions as F

from jobs.arguments import parse
from jobs.contract import completed, loaded, placed
from jobs.settings import Refused
from transforms.envelope import KAFKA
from transforms.json_records import json_records

BASE = "--bootstrap-servers b:9092 --topics t --table /tmp/table"


def made(spark, flags: str):
    settings = parse(shlex.split(f"{BASE} {flags}"))
    return completed(spark, loaded(settings)[0], settings)


@pytest.mark.parametrize(
    "flags",
    [
        "--transform transforms.raw:raw",
        "--transform transforms.access_log:access_log --partition-by dt,hr",
        "--transform transforms.access_log:access_log --partition-by method,status",
        "--transform transforms.json_records:json_records --schema 'id BIGINT, at TIMESTAMP' --event-time at",
        "--transform tests.kit.odd:by_value --partition-by place",
        "--transform tests.kit.odd:names_anew",
        "--transform transforms.json_records:json_records --schema '`http.status` INT, http STRUCT<status: INT>'",
    ],
)
def test_a_transform_that_gives_a_row_for_each_record_is_taken(spark, flags):
    rows = spark.createDataFrame([], KAFKA).transform(made(spark, flags))
    assert {"_topic", "_partition", "_offset", "_timestamp", "_key", "_value", "_headers", "_reject"} <= {*rows.columns}


def test_only_the_partition_columns_that_were_asked_for_are_added(spark):
    def columns(flags):
        return (
            spark.createDataFrame([], KAFKA).transform(made(spark, f"--transform transforms.raw:raw {flags}")).columns
        )

    assert {"dt", "hr"} & {*columns("")} == {"dt"}
    assert {"dt", "hr"} & {*columns("--partition-by hr")} == {"hr"}


ODD, RAW = "tests.kit.odd", "transforms.raw:raw"
ALONE = "must make one row of each record by itself, without"
JSON = "transforms.json_records:json_records"


@pytest.mark.parametrize(
    "transform, said",
    {
        "nowhere.at:all": "--transform: there is no module nowhere.at on the Python path",
        "transforms.nothing:raw": "--transform: there is no module transforms.nothing on the Python path",
        "transforms.raw:cooked": "--transform: transforms.raw has no function cooked",
        f"{ODD}:raises": f"--transform: {ODD}:raises fails: AnalysisException",
        f"{ODD}:drops_some": f"--transform: {ODD}:drops_some {ALONE} Filter",
        f"{ODD}:repeats_some": f"--transform: {ODD}:repeats_some {ALONE} Gen",
        f"{ODD}:deduplicates": f"--transform: {ODD}:deduplicates {ALONE} Dedup",
        f"{ODD}:forgets_the_offset": f"--transform: {ODD}:forgets_the_offset must hand on _offset",
        f"{ODD}:reads_the_value": f"--transform: {ODD}:reads_the_value makes _value string; it must be binary",
        f"{ODD}:renames_the_topic": f"--transform: {ODD}:renames_the_topic changes _topic; the record's own",
        f"{ODD}:dates_in_milliseconds": f"--transform: {ODD}:dates_in_milliseconds makes _event_time bigint; it",
        f"{ODD}:has_an_empty_array": f"--transform: {ODD}:has_an_empty_array gives tags a type that Parquet hasn't",
        f"{ODD}:has_an_interval": f"--transform: {ODD}:has_an_interval ",
        f"{RAW} --partition-by city": f"--partition-by: {RAW} makes no column 'city'",
        f"{RAW} --partition-by value": "--partition-by: 'value' is binary; a folder needs a string",
        "transforms.access_log:access_log --partition-by ts": "--partition-by: 'ts' is timestamp; a folder needs",
        f"{JSON} --schema 'id NOTHING'": "--schema: ",
        f"{JSON} --schema 'id INT' --event-time at": "--event-time: event time 'at' isn't a column",
    }.items(),
)
def test_what_the_sink_could_not_write_is_refused_in_one_line(spark, transform, said):
    with pytest.raises(Refused) as refused:
        made(spark, f"--transform {transform}")
    assert str(refused.value).startswith(said)
    assert "\n" not in str(refused.value)


def test_the_raw_record_is_carried_along_only_where_it_was_rejected(records):
    good, bad = b'{"id": 1}', b"?"
    rows = records(good, bad).transform(json_records("id INT")).transform(placed(("dt",))).orderBy("_offset")
    assert [row._value for row in rows.collect()] == [None, bad]


def test_a_column_of_the_transforms_own_is_never_replaced(records):
    rows = records(b"?").select("*", F.lit(72).alias("HR"), F.lit(None).cast("string").alias("_reject"))
    assert rows.transform(placed(("dt",))).select("HR").first() == (72,)


def test_the_fingerprint_changes_with_the_schema():
    base = f"{BASE} --transform transforms.json_records:json_records"
    prints = {loaded(parse(shlex.split(f"{base} --schema '{ddl}'")))[1] for ddl in ("id INT", "id BIGINT", "id INT")}
    assert len(prints) == 2


def test_the_transform_and_the_test_of_the_readme_do_what_they_say(records, monkeypatch):
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    module, test = re.findall(r"```python\n# (?:transforms|tests)/.*?\n(.*?)```", readme, re.DOTALL)
    clicks = ModuleType("transforms.clicks")
    monkeypatch.setitem(sys.modules, "transforms.clicks", clicks)
    exec(module, clicks.__dict__)
    names = {}
    exec(test, names)
    names["test_a_click_off_the_page_is_rejected"](records)
    clicks.off_the_page = lambda: F.lit(False)
    with pytest.raises(AssertionError):
        names["test_a_click_off_the_page_is_rejected"](records)
