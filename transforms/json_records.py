"""Typed rows from any topic of JSON objects, by a declared schema: no code needed for a plain topic.

A record is good when its value is one JSON object and each declared field is absent, null or of its declared type. Any other
goes to the quarantine with its reason; nothing becomes null or something else in silence:

    tombstone, empty value, not utf-8, not json, not a json object, wrong type: FIELD, missing: FIELD (declared NOT NULL),
    bad event time: FIELD

Fields that aren't declared are ignored; of a key that occurs twice the last one counts. TIMESTAMP takes ISO-8601 text with
seconds (UTC unless it names an offset), TIMESTAMP_NTZ the same without an offset, DATE yyyy-MM-dd, BINARY base64, DECIMAL a
number, in quotes or not (digits beyond its scale are rounded). Inside arrays and maps text takes any value as its JSON;
NOT NULL, times and TINYINT can't be declared there.
"""

import re
from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import NamedTuple

from pyspark.errors import ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.envelope import ENVELOPE, EVENT_TIME, REJECT
from transforms.quality import reject_if

Transform = Callable[[DataFrame], DataFrame]

STRICT = {
    "columnNameOfCorruptRecord": "_broken",
    "allowSingleQuotes": "false",
    "allowNonNumericNumbers": "false",  # NaN, Infinity
    "locale": "de-CH",  # for DECIMAL in quotes: the American default reads "1,5" as 15, this one refuses the comma
}

DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
MOMENT = DAY + "[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?"
NOT_TEXT = r"^(-?\d+(\.\d+)?(E-?\d+)?$|true$|false$|[\[{])"  # what from_json makes of a value that isn't text
OFFSET = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"


def json_records(schema: str, event_time: str | None = None) -> Transform:
    """A transform that gives one typed row for each JSON object.

    `schema` is Spark DDL, like `id STRING NOT NULL, at TIMESTAMP, cart STRUCT<items: ARRAY<STRING>>`; `event_time` names the
    column that becomes `_event_time`: TIMESTAMP, TIMESTAMP_NTZ (as UTC), DATE (midnight UTC), ISO-8601 text, or a number
    since 1970. Spark reads the DDL, so a session must be there.
    """
    declared = checked(schema, event_time)

    def typed_rows(records: DataFrame) -> DataFrame:
        rows = (
            records.withColumn("_text", F.col("_value").cast("string"))
            .withColumn("_json", parsed(F.col("_text"), readable(declared)))
            .withColumn("_record", F.when(whole(F.col("_json")), F.get("_json.record", F.lit(0))))
            .withColumns({f.name: F.expr(cast(f"_record.{quoted(f.name)}", f.dataType)) for f in declared})
        )
        if event_time:
            rows = rows.transform(timed(declared[event_time]))
        columns = [quoted(name) for name in declared.names] + [EVENT_TIME] * bool(event_time)
        return rows.transform(reject_if(rules(declared, event_time))).select(*columns, REJECT, *ENVELOPE)

    return typed_rows


def parsed(text: Column, kind: T.DataType) -> Column:
    """The value as the only element of an array that something follows: from_json itself stops reading behind the first
    object, so it would take `{"a": 1} garbage` and lose the second of two objects in one value."""
    framed = F.concat(F.lit('{"record":['), text, F.lit('],"end":true}'))
    frame = T.StructType().add("record", T.ArrayType(kind)).add("end", "boolean").add("_broken", "string")
    return F.from_json(framed, frame, STRICT)


def whole(frame: Column) -> Column:
    return F.coalesce(frame["_broken"].isNull() & frame["end"] & (F.size(frame["record"]) == 1), F.lit(False))


def readable(kind: T.DataType) -> T.DataType:
    """What from_json reads for a declared type, where it can't be trusted with the type itself: Spark 3.5 stops the query at a
    date that doesn't exist, both lines take the day of "12:34" from the clock, and 200 becomes the TINYINT -56."""
    if isinstance(kind, T.StructType):
        return T.StructType([T.StructField(field.name, readable(field.dataType)) for field in kind])
    return T.IntegerType() if isinstance(kind, T.ByteType) else T.StringType() if type(kind) in CASTS else kind


def cast(read: str, kind: T.DataType) -> str:
    """The SQL that makes the declared type of what was read; null where that can't be done."""
    if isinstance(kind, T.StructType):
        inner = ", ".join(f"{cast(f'{read}.{quoted(f.name)}', f.dataType)} AS {quoted(f.name)}" for f in kind)
        return f"CASE WHEN {read} IS NOT NULL THEN struct({inner}) END"
    return CASTS[type(kind)](read) if type(kind) in CASTS else read


def iso_8601(text: str) -> str:
    return (
        f"try_cast(CASE WHEN {text} RLIKE '^{MOMENT}{OFFSET}$' THEN {text} "
        f"WHEN {text} RLIKE '^{MOMENT}$' THEN concat({text}, 'Z') END AS TIMESTAMP_LTZ)"
    )


def in_utc(time: str) -> str:
    """For a DATE or TIMESTAMP_NTZ. Its plain cast would follow the session's time zone."""
    return f"try_cast(concat(cast(cast({time} AS TIMESTAMP_NTZ) AS STRING), 'Z') AS TIMESTAMP_LTZ)"


def since_1970(number: str) -> str:
    """Seconds, milliseconds, microseconds or nanoseconds by its size: right from 1973 to 5138."""
    return (
        f"timestamp_micros(try_cast(round(cast({number} AS DOUBLE) * CASE WHEN abs(cast({number} AS DOUBLE)) < 1e11 THEN 1e6 "
        f"WHEN abs(cast({number} AS DOUBLE)) < 1e14 THEN 1e3 WHEN abs(cast({number} AS DOUBLE)) < 1e17 THEN 1e0 "
        "ELSE 1e-3 END) AS BIGINT))"
    )


CASTS: dict[type, Callable[[str], str]] = {
    T.ByteType: lambda number: f"try_cast({number} AS TINYINT)",
    T.DateType: lambda text: f"try_cast(CASE WHEN {text} RLIKE '^{DAY}$' THEN {text} END AS DATE)",
    T.TimestampType: iso_8601,
    T.TimestampNTZType: lambda text: f"try_cast(CASE WHEN {text} RLIKE '^{MOMENT}$' THEN {text} END AS TIMESTAMP_NTZ)",
}
EVENT_TIMES: dict[type, Callable[[str], str]] = {
    T.TimestampType: str,
    T.TimestampNTZType: in_utc,
    T.DateType: in_utc,
    T.StringType: iso_8601,
    **dict.fromkeys((T.IntegerType, T.LongType, T.DoubleType, T.DecimalType), since_1970),
}
PLAIN = (T.StringType, T.BooleanType, T.BinaryType, T.ShortType, T.IntegerType, T.LongType, T.FloatType, T.DoubleType, T.DecimalType)  # fmt: skip


def timed(field: T.StructField) -> Transform:
    """Sets `_event_time` from the field; null outside the years 1 to 9999, which not every reader of the table can show."""
    years = "_moment BETWEEN TIMESTAMP '0001-01-01T00:00:00Z' AND TIMESTAMP '9999-12-31T23:59:59.999999Z'"
    moment = F.expr(EVENT_TIMES[type(field.dataType)](quoted(field.name)))
    return lambda rows: rows.withColumn("_moment", moment).withColumn(EVENT_TIME, F.when(F.expr(years), F.col("_moment")))


class Field(NamedTuple):
    """A declared field, maybe inside structs: where it is, what it is, whether it is NOT NULL."""

    path: tuple[str, ...]
    kind: T.DataType
    required: bool

    def __str__(self) -> str:
        return ".".join(self.path)

    def read(self) -> Column:
        return reduce(Column.getField, self.path, F.col("_record"))

    def typed(self) -> Column:
        return reduce(Column.getField, self.path[1:], F.col(quoted(self.path[0])))


def flattened(declared: T.StructType, path: tuple[str, ...] = ()) -> Iterator[Field]:
    for field in declared:
        yield Field((*path, field.name), field.dataType, not field.nullable)
        if isinstance(field.dataType, T.StructType):
            yield from flattened(field.dataType, (*path, field.name))


def rules(declared: T.StructType, event_time: str | None) -> dict[str, Callable[[], Column]]:
    """What can be wrong, in the order it is looked for. A good record pays little for it: whatever parses the value once
    more stands behind a cheap condition."""
    fields = list(flattened(declared))
    found = {"tombstone": tombstone, "empty value": empty, "not utf-8": not_utf8, "not json": not_json, "not a json object": not_object}
    found |= {f"wrong type: {field}": partial(wrong, field) for field in fields}
    found |= {f"missing: {field}": partial(missing, field) for field in fields if field.required}
    if event_time:
        found[f"bad event time: {event_time}"] = partial(untimed, event_time)
    return found | {"wrong type": unread}  # the rules above name the field; this one lets nothing slip through


def tombstone() -> Column:
    return F.col("_value").isNull()


def unread() -> Column:
    return F.col("_record").isNull()


def empty() -> Column:
    return unread() & ~F.col("_text").rlike(r"\S")


def not_utf8() -> Column:
    return F.encode("_text", "UTF-8") != F.col("_value")  # a cast keeps bad bytes, encode replaces them


def not_json() -> Column:
    return unread() & ~F.exists(F.array(parsed(F.col("_text"), T.StringType())), whole)  # parsed once, used thrice


def not_object() -> Column:
    return unread() & ~F.col("_text").rlike(r"^\s*\{")


def wrong(field: Field) -> Column:
    mistyped = MISTYPED.get(type(field.kind), lambda field: F.lit(False))(field)
    if len(field.path) > 1:
        return mistyped
    alone = T.StructType([T.StructField(field.path[0], readable(field.kind))])
    return (unread() & parsed(F.col("_text"), alone)["_broken"].isNotNull()) | mistyped


def not_text(field: Field) -> Column:
    """from_json takes any value where text is declared. What looks like another value is looked up again in an array of two
    copies: a single match would come out without its quotes, two come out as they are."""
    twice = F.concat(F.lit("["), "_text", F.lit(","), "_text", F.lit("]"))
    found = F.get_json_object(twice, "$[*]" + "".join(f"['{name}']" for name in field.path))
    dubious = F.coalesce(field.read().rlike(NOT_TEXT), F.lit(False))  # `null & x` would look at x
    return dubious & ~found.startswith('["')


def not_castable(field: Field) -> Column:
    return field.read().isNotNull() & field.typed().isNull()


def infinite(field: Field) -> Column:
    return F.abs(field.read()) == float("inf")  # a number too large for its type: the word Infinity isn't JSON


MISTYPED = {T.StringType: not_text, T.FloatType: infinite, T.DoubleType: infinite, **dict.fromkeys(CASTS, not_castable)}


def missing(field: Field) -> Column:
    *parent, name = field.path
    around = reduce(Column.getField, parent, F.col("_record"))
    return around.isNotNull() & around[name].isNull()


def untimed(event_time: str) -> Column:
    return F.col(quoted(event_time)).isNotNull() & F.col(EVENT_TIME).isNull()


def quoted(name: str) -> str:
    return f"`{name}`"


def checked(schema: str, event_time: str | None) -> T.StructType:
    """The schema as Spark reads it, or a ValueError that says what can't be declared."""
    try:
        declared = T._parse_datatype_string(schema)  # StructType.fromDDL is there from Spark 4.0 on
    except ParseException:
        declared = None
    if not isinstance(declared, T.StructType) or not declared.fields:
        raise ValueError(f"schema {schema!r} isn't a list of columns in Spark DDL: id STRING NOT NULL, at TIMESTAMP, …")
    check_columns(declared)
    for name in declared.names:
        if name.startswith("_") or name.lower() in ("dt", "hr"):
            raise ValueError(f"schema column {name!r}: dt, hr and names that start with _ are Floodmark's own")
    if event_time is not None and event_time not in declared.names:
        raise ValueError(f"event time {event_time!r} isn't a column of the schema: {', '.join(declared.names)}")
    if event_time is not None and type(declared[event_time].dataType) not in EVENT_TIMES:
        kind = declared[event_time].dataType.simpleString()
        raise ValueError(f"event time {event_time!r} is {kind}: take a time, DATE, STRING, INT, BIGINT, DOUBLE or DECIMAL")
    return declared


def check_columns(columns: T.StructType, inside: str = "", collected: bool = False) -> None:
    for field in columns:
        where = f"{inside}{field.name}"
        if not re.fullmatch(r"[^\s`'\"?,;(){}=\\\x00-\x1f]+", field.name):
            raise ValueError(f"schema column {where!r}: a name can't have spaces, quotes or any of ?,;(){{}}=\\")
        if [name.lower() for name in columns.names].count(field.name.lower()) > 1:
            raise ValueError(f"schema column {where!r} is there twice (readers don't tell upper from lower case)")
        if collected and not field.nullable:
            raise ValueError(f"schema column {where!r}: NOT NULL isn't checked inside arrays and maps")
        check_kind(field.dataType, where, collected)


def check_kind(kind: T.DataType, where: str, collected: bool) -> None:
    """`collected`: inside an array or a map, where from_json's own reading is all there is."""
    if isinstance(kind, T.StructType):
        check_columns(kind, f"{where}.", collected)
    elif isinstance(kind, T.ArrayType):
        check_kind(kind.elementType, where, collected=True)
    elif isinstance(kind, T.MapType) and isinstance(kind.keyType, T.StringType):
        check_kind(kind.valueType, where, collected=True)
    elif type(kind) not in PLAIN and (collected or type(kind) not in CASTS):
        where_to = "inside an array or a map" if collected else "from JSON"
        raise ValueError(f"schema column {where!r}: {kind.simpleString()} can't be read {where_to}; STRING can")
