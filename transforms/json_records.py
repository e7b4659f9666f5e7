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
from functools import partial
from typing import NamedTuple

from pyspark.errors import ParseException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.envelope import ENVELOPE, EVENT_TIME, REJECT
from transforms.quality import reject_if

# The expressions here are SQL text: a schema makes hundreds of them, and each call of a Python function for a Column is a
# round trip to the JVM, paid again in every batch (access_log: 1.4 s instead of 0.3 s).


def json_records(schema: str, event_time: str | None = None) -> Callable[[DataFrame], DataFrame]:
    """A transform that gives one typed row for each JSON object.

    `schema` is Spark DDL, like `id STRING NOT NULL, at TIMESTAMP, cart STRUCT<items: ARRAY<STRING>>`; `event_time` names the
    column that becomes `_event_time`: TIMESTAMP, TIMESTAMP_NTZ (as UTC), DATE (midnight UTC), ISO-8601 text, or a number
    since 1970. Spark reads the DDL, so a session must be there.
    """
    declared = checked(schema, event_time)
    columns = [quoted(name) for name in declared.names]
    reasons = {name: partial(F.expr, broken) for name, broken in rules(declared, event_time).items()}

    def typed_rows(records: DataFrame) -> DataFrame:
        rows = (
            records.selectExpr("*", "cast(_value AS STRING) AS _text")
            .selectExpr("*", f"{parsed(readable(declared))} AS _json")
            .selectExpr("*", f"CASE WHEN {whole('_json')} THEN get(_json.record, 0) END AS _record")
            .selectExpr("*", *(f"{cast(f'_record.{name}', declared[i].dataType)} AS {name}" for i, name in enumerate(columns)))
        )
        if event_time:
            rows = rows.transform(timed(declared[event_time]))
        made = [EVENT_TIME] if event_time else []
        return rows.transform(reject_if(reasons)).select(*columns, *made, REJECT, *ENVELOPE)

    return typed_rows


def parsed(kind: str) -> str:
    """The value as the only element of an array that something follows: from_json itself stops reading behind the first
    object, so it would take `{"a": 1} garbage` and lose the second of two objects in one value."""
    frame = literal(f"record ARRAY<{kind}>, end BOOLEAN, _broken STRING")
    return f"""from_json(concat('{{"record":[', _text, '],"end":true}}'), {frame}, {STRICT})"""


# No NaN and Infinity. The locale is for a DECIMAL in quotes: the American default reads "1,5" as 15, this one refuses the comma.
STRICT = (
    "map('columnNameOfCorruptRecord', '_broken', 'allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false', "
    "'locale', 'de-CH')"
)


def whole(frame: str) -> str:
    return f"coalesce({frame}._broken IS NULL AND {frame}.end AND size({frame}.record) = 1, false)"


def readable(kind: T.DataType) -> str:
    """The DDL of what from_json reads for a declared type, where it can't be trusted with the type itself: Spark 3.5 stops the
    query at a date that doesn't exist, both lines take the day of "12:34" from the clock, and 200 is the TINYINT -56."""
    if isinstance(kind, T.StructType):
        return f"STRUCT<{', '.join(f'{quoted(field.name)}: {readable(field.dataType)}' for field in kind)}>"
    if isinstance(kind, T.ArrayType):
        return f"ARRAY<{readable(kind.elementType)}>"
    if isinstance(kind, T.MapType):
        return f"MAP<STRING, {readable(kind.valueType)}>"
    if isinstance(kind, T.ByteType):
        return "INT"
    return "STRING" if type(kind) in CASTS else kind.simpleString()


def cast(read: str, kind: T.DataType) -> str:
    """The declared type of what was read; null where that can't be done."""
    if isinstance(kind, T.StructType):
        inner = (f"{cast(f'{read}.{quoted(field.name)}', field.dataType)} AS {quoted(field.name)}" for field in kind)
        return f"CASE WHEN {read} IS NOT NULL THEN struct({', '.join(inner)}) END"
    return CASTS[type(kind)](read) if type(kind) in CASTS else read


DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
MOMENT = DAY + "[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?"
OFFSET = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"


def iso_8601(text: str) -> str:
    return (
        f"try_cast(CASE WHEN {text} RLIKE '^{MOMENT}{OFFSET}$' THEN {text} "
        f"WHEN {text} RLIKE '^{MOMENT}$' THEN concat({text}, 'Z') END AS TIMESTAMP_LTZ)"
    )


def in_utc(time: str) -> str:
    """For a DATE or TIMESTAMP_NTZ; its plain cast would follow the session's time zone."""
    return f"try_cast(concat(cast(cast({time} AS TIMESTAMP_NTZ) AS STRING), 'Z') AS TIMESTAMP_LTZ)"


def since_1970(number: str) -> str:
    """Seconds, milliseconds, microseconds or nanoseconds by its size: right from 1973 to 5138."""
    size = f"abs(cast({number} AS DOUBLE))"
    micros = f"CASE WHEN {size} < 1e11 THEN 1e6 WHEN {size} < 1e14 THEN 1e3 WHEN {size} < 1e17 THEN 1e0 ELSE 1e-3 END"
    return f"timestamp_micros(try_cast(round(cast({number} AS DOUBLE) * {micros}) AS BIGINT))"


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


def timed(field: T.StructField) -> Callable[[DataFrame], DataFrame]:
    """Sets `_event_time` from the field; null outside the years 1 to 9999, which not every reader of the table can show."""
    moment = EVENT_TIMES[type(field.dataType)](quoted(field.name))
    years = "_moment BETWEEN TIMESTAMP '0001-01-01T00:00:00Z' AND TIMESTAMP '9999-12-31T23:59:59.999999Z'"
    return lambda rows: rows.selectExpr("*", f"{moment} AS _moment").selectExpr(
        "*", f"CASE WHEN {years} THEN _moment END AS {EVENT_TIME}"
    )


class Field(NamedTuple):
    """A declared field, maybe inside structs: where it is, what it is, whether it is NOT NULL."""

    path: tuple[str, ...]
    kind: T.DataType
    required: bool

    def __str__(self) -> str:
        return ".".join(self.path)

    @property
    def typed(self) -> str:
        return ".".join(map(quoted, self.path))

    @property
    def read(self) -> str:
        return f"_record.{self.typed}"


def flattened(declared: T.StructType, path: tuple[str, ...] = ()) -> Iterator[Field]:
    for field in declared:
        yield Field((*path, field.name), field.dataType, not field.nullable)
        if isinstance(field.dataType, T.StructType):
            yield from flattened(field.dataType, (*path, field.name))


def rules(declared: T.StructType, event_time: str | None) -> dict[str, str]:
    """What can be wrong, in the order it is looked for. A good record pays little for it: whatever parses the value once
    more stands behind a cheap condition that is false and not null (SQL looks at x in `null AND x`)."""
    fields = list(flattened(declared))
    found = {
        "tombstone": "_value IS NULL",
        "empty value": "_record IS NULL AND NOT _text RLIKE '[^ \t\r\n]'",
        "not utf-8": "encode(_text, 'UTF-8') <> _value",  # cast keeps bad bytes, encode replaces them
        "not json": f"_record IS NULL AND NOT exists(array({parsed('STRING')}), frame -> {whole('frame')})",
        "not a json object": "_record IS NULL AND NOT _text RLIKE '^[ \t\r\n]*[{]'",
    }
    found |= {f"wrong type: {field}": f"{unreadable(field)} OR {mistyped(field)}" for field in fields}
    found |= {f"missing: {field}": missing(field) for field in fields if field.required}
    if event_time:
        found[f"bad event time: {event_time}"] = f"{quoted(event_time)} IS NOT NULL AND {EVENT_TIME} IS NULL"
    return found | {"wrong type": "_record IS NULL"}  # those above name the field; this one lets nothing slip through


def unreadable(field: Field) -> str:
    if len(field.path) > 1:
        return "false"
    alone = f"STRUCT<{quoted(field.path[0])}: {readable(field.kind)}>"
    return f"(_record IS NULL AND {parsed(alone)}._broken IS NOT NULL)"


def mistyped(field: Field) -> str:
    if isinstance(field.kind, T.StringType):
        return not_text(field)
    if isinstance(field.kind, T.FloatType | T.DoubleType):
        return f"abs({field.read}) = double('Infinity')"  # a number too large for its type: the word itself isn't JSON
    if type(field.kind) in CASTS:
        return f"({field.read} IS NOT NULL AND {field.typed} IS NULL)"
    return "false"


def not_text(field: Field) -> str:
    """from_json takes any value where text is declared. What looks like another value is looked up again, in an array of two
    copies: a single match would come out without its quotes, two come out as they are."""
    dubious = literal(r"^(-?\d+(\.\d+)?(E-?\d+)?$|true$|false$|[\[{])")
    path = literal("$[*]" + "".join(f"['{name}']" for name in field.path))
    found = f"get_json_object(concat('[', _text, ',', _text, ']'), {path})"
    return f"(coalesce({field.read} RLIKE {dubious}, false) AND NOT startswith({found}, '[\"'))"


def missing(field: Field) -> str:
    around = ".".join(["_record", *map(quoted, field.path[:-1])])
    return f"{around} IS NOT NULL AND {field.read} IS NULL"


def quoted(name: str) -> str:
    return f"`{name}`"


def literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


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
