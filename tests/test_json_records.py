import json
from functools import reduce

import pytest
from chispa import assert_df_equality
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from transforms.access_log import REQUEST, access_log
from transforms.envelope import ENVELOPE, EVENT_TIME, REJECT, dated
from transforms.json_records import json_records
from transforms.raw import raw

SCHEMA = """
    s STRING, i INT, l BIGINT, y TINYINT, h SMALLINT, d DOUBLE, f FLOAT, m DECIMAL(10,2), b BOOLEAN, x BINARY,
    at TIMESTAMP, n TIMESTAMP_NTZ, day DATE, `@v` STRING, `größe` STRING,
    o STRUCT<k: INT NOT NULL, t: STRING, at: TIMESTAMP>, a ARRAY<INT>, tags ARRAY<STRING>, p MAP<STRING, INT>,
    ds ARRAY<DOUBLE>, q MAP<STRING, STRUCT<v: DOUBLE>>
"""
GOOD = [
    # the value, and the row it becomes, as JSON without its nulls
    ("{}", "{}"),
    (' \r\n\t{"i": 1}\n', '{"i":1}'),
    ('{"i": null, "unknown": {"i": [1, "x"]}}', "{}"),
    ('{"I": 1}', "{}"),
    ('{"i": 1, "i": 2}', '{"i":2}'),
    ('{"s": "", "@v": "1"}', '{"s":"","@v":"1"}'),
    ('{"s": "12", "u": {"s": 12}}', '{"s":"12"}'),
    ('{"s": "true"}', '{"s":"true"}'),
    ('{"s": "-1.5e3"}', '{"s":"-1.5e3"}'),
    ('{"s": "{\\"a\\": 1}"}', '{"s":"{\\"a\\": 1}"}'),
    ('{"s": "10.2.3.4", "gr\\u00f6\\u00dfe": "7"}', '{"s":"10.2.3.4","größe":"7"}'),
    ('{"s": "a\\u0000b \\ufffd"}', '{"s":"a\\u0000b \ufffd"}'),
    ('{"s": "\ufffd"}', '{"s":"\ufffd"}'),
    ('{"l": -9223372036854775808, "y": -128, "h": 32767}', '{"l":-9223372036854775808,"y":-128,"h":32767}'),
    ('{"d": 1, "f": 1.5}', '{"d":1.0,"f":1.5}'),
    ('{"d": -1.5e300}', '{"d":-1.5E300}'),
    ('{"s": "\\"Infinity\\"", "@v": "Infinity"}', '{"s":"\\"Infinity\\"","@v":"Infinity"}'),
    ('{"s": "\\"", "ds": [1, null], "q": {"k": {"v": 1}}}', '{"s":"\\"","ds":[1.0,null],"q":{"k":{"v":1.0}}}'),
    ('{"m": 1.005}', '{"m":1.01}'),
    ('{"m": "12.50", "b": false}', '{"m":12.50,"b":false}'),
    ('{"x": "aGk="}', '{"x":"aGk="}'),
    ('{"at": "2026-11-01T00:00:00Z"}', '{"at":"2026-11-01T00:00:00.000000Z"}'),
    ('{"at": "2026-11-01 02:00:00.123456789+02:00"}', '{"at":"2026-11-01T00:00:00.123456Z"}'),
    ('{"at": "2026-11-01T02:00:00+0200"}', '{"at":"2026-11-01T00:00:00.000000Z"}'),
    ('{"at": "2026-10-31T19:00:00-05"}', '{"at":"2026-11-01T00:00:00.000000Z"}'),
    ('{"at": "2026-03-08T02:30:00"}', '{"at":"2026-03-08T02:30:00.000000Z"}'),
    ('{"at": "0001-01-01T00:00:00Z"}', '{"at":"0001-01-01T00:00:00.000000Z"}'),
    ('{"at": "9999-12-31T23:59:59.999999Z"}', '{"at":"9999-12-31T23:59:59.999999Z"}'),
    ('{"n": "2026-03-08T02:30:00"}', '{"n":"2026-03-08T02:30:00.000000"}'),
    ('{"day": "2028-02-29"}', '{"day":"2028-02-29"}'),
    (
        '{"o": {"k": 1, "t": "u", "at": "2026-11-01T00:00:00Z"}}',
        '{"o":{"k":1,"t":"u","at":"2026-11-01T00:00:00.000000Z"}}',
    ),
    ('{"o": null}', "{}"),
    (
        '{"a": [1, null], "tags": ["x", 5, {"y": 1}], "p": {"q": 1}}',
        '{"a":[1,null],"tags":["x","5","{\\"y\\":1}"],"p":{"q":1}}',
    ),
    ('{"deep": ' + "[" * 200 + "]" * 200 + "}", "{}"),
    ('{"long": "' + "x" * (10 << 20) + '"}', "{}"),
]
BAD = [
    # the value (bytes where it isn't text), and why it is rejected
    (None, "tombstone"),
    ("", "empty value"),
    (" \r\n", "empty value"),
    (b"\xff", "not utf-8"),
    (b'{"s": "caf\xe9"}', "not utf-8"),
    (b'{"s": "\xc0\x80"}', "not utf-8"),
    (b'{"s": "\xed\xa0\x80"}', "not utf-8"),
    (b'{"s": "\xef\xbf\xbd\xff"}', "not utf-8"),
    (b"\x1f\x8b\x08\x00", "not utf-8"),
    ("plain", "not json"),
    ("{", "not json"),
    ('{"i": 1', "not json"),
    ('{"i": 1,}', "not json"),
    ('{"i": 1} garbage', "not json"),
    ('{"i": 1}}', "not json"),
    ('{"i": 1}]', "not json"),
    ('{"i": 1},', "not json"),
    ('{"i": 1}{"i": 2}', "not json"),
    ('{"i": 1}\n{"i": 2}', "not json"),
    ('{"i": 1},{"i": 2}', "not json"),
    ('{"i": 1}, 2', "not json"),
    ("{'i': 1}", "not json"),
    ("{i: 1}", "not json"),
    ('{"i": 01}', "not json"),
    ('{"i": /* 1 */ 1}', "not json"),
    ('{"d": NaN}', "not json"),
    ('{"d": -Infinity}', "not json"),
    ('{"u": NaN}', "not json"),
    ('{"s": "\\q"}', "not json"),
    ('{"s": "a\nb"}', "not json"),
    ('{"s": "a\0b"}', "not json"),
    ("\0", "not json"),
    ('\ufeff{"i": 1}', "not json"),
    ('{"deep": ' + "[" * 1100 + "]" * 1100 + "}", "not json"),
    ("null", "not a json object"),
    ("5", "not a json object"),
    ('"{}"', "not a json object"),
    ("[]", "not a json object"),
    ('[{"i": 1}]', "not a json object"),
    ('{"s": 5}', "wrong type: s"),
    ('{"s": -1.5e3}', "wrong type: s"),
    ('{"s": true}', "wrong type: s"),
    ('{"s": {"s": "x"}}', "wrong type: s"),
    ('{"s": ["x"]}', "wrong type: s"),
    ('{"s": 1e999}', "wrong type: s"),
    ('{"s": -1e999}', "wrong type: s"),
    ('{"@v": 1}', "wrong type: @v"),
    ('{"gr\\u00f6\\u00dfe": 7}', "wrong type: größe"),
    ('{"i": "12"}', "wrong type: i"),
    ('{"i": ""}', "wrong type: i"),
    ('{"i": 1.0}', "wrong type: i"),
    ('{"i": 2147483648}', "wrong type: i"),
    ('{"i": "x", "i": 2}', "wrong type: i"),
    ('{"s": 5, "i": "x"}', "wrong type: i"),
    ('{"l": 9223372036854775808}', "wrong type: l"),
    ('{"y": 200}', "wrong type: y"),
    ('{"h": 40000}', "wrong type: h"),
    ('{"d": "1.5"}', "wrong type: d"),
    ('{"d": "NaN"}', "wrong type: d"),
    ('{"d": 1e999}', "wrong type: d"),
    ('{"f": -1e39}', "wrong type: f"),
    ('{"m": 123456789.00}', "wrong type: m"),
    ('{"m": "1,5"}', "wrong type: m"),
    ('{"m": 1e999999999}', "wrong type: m"),
    ('{"b": "true"}', "wrong type: b"),
    ('{"b": 1}', "wrong type: b"),
    ('{"x": "***"}', "wrong type: x"),
    ('{"at": "yesterday"}', "wrong type: at"),
    ('{"at": "12:34:56Z"}', "wrong type: at"),
    ('{"at": "2026-11-01"}', "wrong type: at"),
    ('{"at": "2026-02-30T00:00:00Z"}', "wrong type: at"),
    ('{"at": "2016-12-31T23:59:60Z"}', "wrong type: at"),
    ('{"at": "2026-11-01T24:00:00Z"}', "wrong type: at"),
    ('{"at": "2026-11-01T00:00:00+19:00"}', "wrong type: at"),
    ('{"at": "2026-11-01T00:00:00 Europe/Berlin"}', "wrong type: at"),
    ('{"at": "+12026-11-01T00:00:00Z"}', "wrong type: at"),
    ('{"at": 1793491200}', "wrong type: at"),
    ('{"n": "2026-11-01T00:00:00Z"}', "wrong type: n"),
    ('{"day": "2026-02-29"}', "wrong type: day"),
    ('{"day": 20000}', "wrong type: day"),
    ('{"day": "2026-11-01T00:00:00Z"}', "wrong type: day"),
    ('{"o": 5}', "wrong type: o"),
    ('{"o": {"k": "1"}}', "wrong type: o"),
    ('{"o": {"k": 1, "t": 5}}', "wrong type: o.t"),
    ('{"o": {"k": 1, "at": "never"}}', "wrong type: o.at"),
    ('{"o": {}}', "missing: o.k"),
    ('{"a": [1, "2"]}', "wrong type: a"),
    ('{"a": 5}', "wrong type: a"),
    ('{"p": {"q": "1"}}', "wrong type: p"),
    ('{"p": {"q": 1, "q": 2}}', "wrong type: p"),
    ('{"ds": [0, null, 1e999]}', "wrong type: ds"),
    ('{"q": {"k": {"v": 1}, "l": {"v": -1e999}}}', "wrong type: q"),
]


def encoded(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def test_a_declared_schema_types_good_records_and_names_what_is_wrong_with_bad_ones(ansi, spark, records):
    cases = [(encoded(value), row, None) for value, row in GOOD] + [(encoded(value), None, why) for value, why in BAD]
    out = records(*(value for value, _, _ in cases)).transform(json_records(SCHEMA))
    stamps = {
        "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSSXXX",
        "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS",
    }
    own = [f"`{name}`" for name in out.columns if not name.startswith("_")]
    row = F.when(F.col(REJECT).isNull(), F.to_json(F.struct(*own), stamps))
    shown = out.select(F.substring("_value", 1, 200).alias("_value"), row.alias("row"), REJECT)
    expected = spark.createDataFrame([(value and value[:200], row, why) for value, row, why in cases], shown.schema)
    assert_df_equality(shown, expected)


def test_the_columns_have_the_declared_types(ansi, spark, records):
    out = records().transform(json_records(SCHEMA, event_time="at"))
    declared = spark.createDataFrame([], SCHEMA.replace("NOT NULL", "")).schema
    assert_df_equality(
        out.drop(EVENT_TIME, REJECT, *ENVELOPE), spark.createDataFrame([], declared), ignore_nullable=True
    )


def test_not_null_makes_a_field_required(ansi, records):
    schema = "id STRING NOT NULL, o STRUCT<k: INT NOT NULL> NOT NULL"
    values = [b'{"id": "1", "o": {"k": 1}}', b"{}", b'{"id": null}', b'{"id": "1"}', b'{"id": "1", "o": {}}']
    out = records(*values).transform(json_records(schema))
    reasons = [None, "missing: id", "missing: id", "missing: o", "missing: o.k"]
    assert [row[REJECT] for row in out.collect()] == reasons


NOVEMBER = 1793491200_000000  # 2026-11-01T00:00:00Z in µs
EVENT_TIMES = [
    # type of the event time, its JSON, `_event_time` in µs, `_reject`
    ("TIMESTAMP", '"2026-11-01T01:00:00+01:00"', NOVEMBER, None),
    ("TIMESTAMP", '"2026-11-01T00:00:00"', NOVEMBER, None),
    ("TIMESTAMP", "null", None, None),
    ("TIMESTAMP", '"0001-01-01T00:00:00+01:00"', None, "bad event time: t"),
    ("TIMESTAMP", '"9999-12-31T23:59:59-01:00"', None, "bad event time: t"),
    ("TIMESTAMP", '"0000-06-01T00:00:00Z"', None, "bad event time: t"),
    ("TIMESTAMP", '"noon"', None, "wrong type: t"),
    ("TIMESTAMP_NTZ", '"2026-11-01T00:00:00.5"', NOVEMBER + 500_000, None),
    ("DATE", '"2026-11-01"', NOVEMBER, None),
    ("DATE", '"0000-01-01"', None, "bad event time: t"),
    ("STRING", '"2026-11-01T00:00:00Z"', NOVEMBER, None),
    ("STRING", '"2026-11-01T00:00:60Z"', None, "bad event time: t"),
    ("STRING", '""', None, "bad event time: t"),
    ("INT", "1793491200", NOVEMBER, None),
    ("BIGINT", "1793491200", NOVEMBER, None),
    ("BIGINT", "1793491200123", NOVEMBER + 123_000, None),
    ("BIGINT", "1793491200123456", NOVEMBER + 123_456, None),
    ("BIGINT", "1793491200123456789", NOVEMBER + 123_457, None),
    ("BIGINT", "0", 0, None),
    ("BIGINT", "-86400", -86400_000000, None),
    ("BIGINT", "99999999999", 99999999999_000000, None),
    ("BIGINT", "100000000000", 100000000_000000, None),
    ("BIGINT", "99999999999999", 99999999999_999000, None),
    ("BIGINT", "100000000000000", 100000000_000000, None),
    ("BIGINT", "99999999999998976", 99999999999_998976, None),
    ("BIGINT", "100000000000000000", 100000000_000000, None),
    ("BIGINT", "-99999999999", None, "bad event time: t"),
    ("BIGINT", "9223372036854775807", 9223372036854776, None),
    ("BIGINT", "-9223372036854775808", -9223372036854776, None),
    ("DOUBLE", "1793491200.25", NOVEMBER + 250_000, None),
    ("DOUBLE", "1e300", None, "bad event time: t"),
    ("DECIMAL(20,6)", "1793491200.123456", NOVEMBER + 123_456, None),
    ("DECIMAL(38,0)", "1" + "0" * 37, None, "bad event time: t"),
]


def test_the_event_time_does_not_follow_the_session_time_zone(ansi, spark, records):
    spark.conf.set("spark.sql.session.timeZone", "America/New_York")
    kinds = dict.fromkeys(kind for kind, *_ in EVENT_TIMES)
    shown = []
    for kind in kinds:
        values = [f'{{"t": {value}}}'.encode() for k, value, *_ in EVENT_TIMES if k == kind]
        out = records(*values).transform(json_records(f"t {kind}", event_time="t"))
        shown.append(out.select(F.lit(kind).alias("kind"), "_value", F.unix_micros(EVENT_TIME).alias("at"), REJECT))
    cases = [(kind, f'{{"t": {value}}}'.encode(), at, why) for kind, value, at, why in EVENT_TIMES]
    expected = spark.createDataFrame(cases, "kind string, _value binary, at long, _reject string")
    try:
        assert_df_equality(reduce(DataFrame.union, shown), expected, ignore_nullable=True)
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


@pytest.mark.parametrize(
    ("schema", "event_time", "said"),
    [
        ("id STRONG", None, "'id STRONG' isn't a list of columns"),
        ("INT", None, "'INT' isn't a list of columns"),
        ("", None, "'' isn't a list of columns"),
        ("_id STRING", None, "'_id'"),
        ("id STRING, dt STRING", None, "'dt'"),
        ("HR STRING", None, "'HR'"),
        ("a INT, A INT", None, "'a' is there twice"),
        ("o STRUCT<a: INT, A: INT>", None, "'o.a' is there twice"),
        ("`a b` INT", None, "'a b'"),
        ("o STRUCT<`it's`: INT>", None, '"o.it\'s"'),
        ("v VARCHAR(5)", None, "'v': varchar(5) can't be read from JSON"),
        ("o STRUCT<i: INTERVAL DAY>", None, "'o.i': interval day can't be read from JSON"),
        ("i INTERVAL", None, "'i"),
        ("m MAP<INT, STRING>", None, "'m': map<int,string> can't be read from JSON"),
        ("a ARRAY<TIMESTAMP>", None, "'a': timestamp can't be read inside an array"),
        ("m MAP<STRING, STRUCT<d: DATE>>", None, "'m.d': date can't be read inside an array or a map"),
        ("a ARRAY<STRUCT<k: INT NOT NULL>>", None, "'a.k': NOT NULL"),
        ("id STRING", "at", "'at' isn't a column of the schema: id"),
        ("id STRING, at BOOLEAN", "at", "'at': boolean can't tell the time"),
    ],
)
def test_a_schema_that_cannot_be_kept_is_refused_in_one_line(spark, schema, event_time, said):
    with pytest.raises(ValueError) as refused:
        json_records(schema, event_time)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_value_is_parsed_once_however_many_columns_and_rules_use_it(spark, records):
    rows = records(b"{}").transform(access_log).transform(dated).observe("went", F.count(REJECT).alias("rejected"))
    plan = rows.where(F.col(REJECT).isNull())._jdf.queryExecution().optimizedPlan().toString()
    every_field = "StructField(event_id,StringType,true),StructField(ts,StringType,true)"
    assert plan.count(every_field) == 1


TOKENS = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"',
        '"a"',
        '"a":',
        "1",
        "-",
        "1.5e3",
        "true",
        "null",
        "NaN",
        "\\",
        " ",
        "\n",
        "\0",
        "é",
        "\ufeff",
    ]
)
OBJECTS = st.dictionaries(
    st.sampled_from([line.split()[0] for line in REQUEST.split(",")]) | st.text(max_size=3),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
).map(json.dumps)
TEXTS = st.one_of(
    OBJECTS,
    st.lists(TOKENS, max_size=8).map("".join),
    st.builds(lambda good, at, token: good[:at] + token + good[at:], OBJECTS, st.integers(0, 40), TOKENS),
    st.builds(lambda good, at: good[:at] + good[at + 1 :], OBJECTS, st.integers(0, 40)),
    st.builds(lambda one, token, two: one + token + two, OBJECTS, TOKENS, OBJECTS),
)
# A Spark action costs a hundred times what a value does: few examples, many values in each.
many_in_one_frame = settings(max_examples=3, deadline=None, database=None, suppress_health_check=list(HealthCheck))


@given(values=st.lists(st.binary() | TEXTS.map(str.encode) | st.none(), min_size=60, max_size=120))
@many_in_one_frame
def test_any_value_gives_one_row_and_keeps_its_envelope(ansi, records, values):
    came = records(*values)
    transforms = raw, access_log, json_records("a INT, b STRING, ts TIMESTAMP", event_time="ts")
    kept = [came.transform(transform).select(ENVELOPE) for transform in transforms]
    assert_df_equality(reduce(DataFrame.union, kept), reduce(DataFrame.union, [came] * len(kept)))


def is_one_json_object(text: str) -> bool:
    def refuse(constant):
        raise ValueError(constant)

    try:
        return isinstance(json.loads(text, parse_constant=refuse), dict)
    except ValueError:
        return False


@given(texts=st.lists(TEXTS, min_size=60, max_size=120))
@many_in_one_frame
def test_a_text_is_taken_exactly_if_it_is_one_json_object(ansi, records, texts):
    taken = records(*map(str.encode, texts)).transform(json_records("nowhere INT")).collect()
    assert [(text, row[REJECT] is None) for text, row in zip(texts, taken, strict=True)] == [
        (text, is_one_json_object(text)) for text in texts
    ]
