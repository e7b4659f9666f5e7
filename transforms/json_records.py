"""Typed rows from any topic of JSON objects, by a declared schema: no code needed for a plain topic.

A record is good when its value is one JSON object and each declared field is absent, null or of its declared type.
Any other goes to the quarantine with its reason; nothing becomes null or something else in silence:

    tombstone, empty value, not utf-8, not json, not a json object, wrong type: FIELD,
    missing: FIELD (declared NOT NULL), bad event time: FIELD

Fields that aren't declared are ignored; of a key that occurs twice the last one counts, in a map it is a wrong type.
TIMESTAMP takes ISO-8601 text with seconds (UTC unless it names an offset), TIMESTAMP_NTZ the same without an offset,
DATE yyyy-MM-dd, BINARY base64, DECIMAL a number, in quotes or not (digits beyond its scale are rounded). Inside arrays
and maps text takes any value as its JSON; NOT NULL, times and TINYINT can't be declared there.

The expressions are SQL text: a schema makes hundreds of them, and each Python call that makes a Column is a round trip
to the JVM, paid again in every batch.
"""

from collections.abc import Callable
from functools import partial

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from transforms.envelope import ENVELOPE, EVENT_TIME, REJECT
from transforms.quality import reject_if
from transforms.schema import CAST, Field, checked, fields, quoted

DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
MOMENT = DAY + "[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?"
OFFSET = "(Z|[+-][0-9]{2}(:?[0-9]{2})?)"

# No NaN and Infinity. The locale is for a DECIMAL in quotes: the American default reads "1,5" as 15, this one refuses.
STRICT = (
    "map('columnNameOfCorruptRecord', '_broken', 'allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false', "
    "'locale', 'de-CH')"
)
TEXT = "cast(_value AS STRING)"
# The cast to text keeps bad bytes and encode replaces them; only Spark 4 has a test, which takes half the time.
NOT_UTF_8 = f"NOT is_valid_utf8({TEXT})" if hasattr(F, "is_valid_utf8") else f"encode({TEXT}, 'UTF-8') <> _value"
# A regular expression for each text of each record would cost a third of what the parsing does.
ANOTHERS = ", ".join(str(ord(first)) for first in '-0123456789tf[{"')
BEGINS_LIKE_ANOTHER = f"coalesce(ascii({{}}) IN ({ANOTHERS}), false)"
# What closes the array of `parsed` itself, like `{"a": 1}], "b": [2`, would pass for whole. Nothing that does can be an
# object's member too, where a comma wants a name behind it. Few records have the bracket and are parsed once more.
CONTAINED = (
    f"(NOT contains({TEXT}, ']') OR "
    f"""coalesce(from_json(concat('{{"record":', {TEXT}, ',"end":true}}'), 'end BOOLEAN', {STRICT}).end, false))"""
)


def json_records(schema: str, event_time: str | None = None) -> Callable[[DataFrame], DataFrame]:
    """A transform that gives one typed row for each JSON object.

    `schema` is Spark DDL, like `id STRING NOT NULL, at TIMESTAMP, cart STRUCT<items: ARRAY<STRING>>`; `event_time`
    names the column that becomes `_event_time`: TIMESTAMP, TIMESTAMP_NTZ (as UTC), DATE (midnight UTC), ISO-8601 text,
    or a number since 1970. Spark reads the DDL, so a session must be there.
    """
    declared = checked(schema, event_time)
    columns = [quoted(name) for name in declared.names]
    reasons = {name: partial(F.expr, broken) for name, broken in rules(declared, event_time).items()}

    def typed_rows(records: DataFrame) -> DataFrame:
        rows = (
            records.selectExpr("*", f"{parsed(readable(declared))} AS _json", f"{CONTAINED} AS _contained")
            .selectExpr("*", f"CASE WHEN _contained AND {whole('_json')} THEN get(_json.record, 0) END AS _record")
            .selectExpr(
                "*", *(f"{cast(f'_record.{quoted(f.name)}', f.dataType)} AS {quoted(f.name)}" for f in declared)
            )
        )
        if event_time:
            rows = rows.transform(timed(declared[event_time]))
        made = [EVENT_TIME] if event_time else []
        return rows.transform(reject_if(reasons)).select(*columns, *made, REJECT, *ENVELOPE)

    return typed_rows


def parsed(kind: str) -> str:
    """The value as the only element of an array that something follows: from_json itself stops reading behind the
    first object, so it would take `{"a": 1} garbage` and lose the second of two objects in one value."""
    frame = literal(f"record ARRAY<{kind}>, end BOOLEAN, _broken STRING")
    return f"""from_json(concat('{{"record":[', {TEXT}, '],"end":true}}'), {frame}, {STRICT})"""


def whole(frame: str) -> str:
    return f"coalesce({frame}._broken IS NULL AND {frame}.end AND size({frame}.record) = 1, false)"


def readable(kind: T.DataType) -> str:
    """The DDL of what from_json reads for a declared type, where it can't be trusted with the type itself: Spark 3.5
    stops the query at a date that doesn't exist, both lines take the day of "12:34" from the clock, and 200 is read as
    the TINYINT -56."""
    if isinstance(kind, T.StructType):
        return f"STRUCT<{', '.join(f'{quoted(field.name)}: {readable(field.dataType)}' for field in kind)}>"
    if isinstance(kind, T.ArrayType):
        return f"ARRAY<{readable(kind.elementType)}>"
    if isinstance(kind, T.MapType):
        return f"MAP<STRING, {readable(kind.valueType)}>"
    if isinstance(kind, T.ByteType):
        return "INT"
    return "STRING" if isinstance(kind, CAST) else kind.simpleString()


def cast(read: str, kind: T.DataType) -> str:
    """The declared type of what was read; null where that can't be done."""
    if isinstance(kind, T.StructType):
        inner = (f"{cast(f'{read}.{quoted(field.name)}', field.dataType)} AS {quoted(field.name)}" for field in kind)
        return f"CASE WHEN {read} IS NOT NULL THEN struct({', '.join(inner)}) END"
    if isinstance(kind, T.ByteType):
        return f"try_cast({read} AS TINYINT)"
    if isinstance(kind, T.DateType):
        return f"try_cast(CASE WHEN {read} RLIKE '^{DAY}$' THEN {read} END AS DATE)"
    if isinstance(kind, T.TimestampNTZType):
        return f"try_cast(CASE WHEN {read} RLIKE '^{MOMENT}$' THEN {read} END AS TIMESTAMP_NTZ)"
    return iso_8601(read) if isinstance(kind, T.TimestampType) else read


def iso_8601(text: str) -> str:
    return (
        f"try_cast(CASE WHEN {text} RLIKE '^{MOMENT}{OFFSET}$' THEN {text} "
        f"WHEN {text} RLIKE '^{MOMENT}$' THEN concat({text}, 'Z') END AS TIMESTAMP_LTZ)"
    )


def timed(field: T.StructField) -> Callable[[DataFrame], DataFrame]:
    """Sets `_event_time` from the field; null outside the years 1 to 9999, which not every reader can show."""
    years = "_moment BETWEEN TIMESTAMP '0001-01-01T00:00:00Z' AND TIMESTAMP '9999-12-31T23:59:59.999999Z'"
    return lambda rows: rows.selectExpr("*", f"{moment(field)} AS _moment").selectExpr(
        "*", f"CASE WHEN {years} THEN _moment END AS {EVENT_TIME}"
    )


def moment(field: T.StructField) -> str:
    column = quoted(field.name)
    if isinstance(field.dataType, T.TimestampType):
        return column
    if isinstance(field.dataType, T.StringType):
        return iso_8601(column)
    if isinstance(field.dataType, T.DateType | T.TimestampNTZType):
        in_utc = (
            f"concat(cast(cast({column} AS TIMESTAMP_NTZ) AS STRING), 'Z')"  # a plain cast follows the session's zone
        )
        return f"try_cast({in_utc} AS TIMESTAMP_LTZ)"
    return since_1970(column)


def since_1970(number: str) -> str:
    """Seconds, milliseconds, microseconds or nanoseconds by its size: right from 1973 to 5138."""
    size = f"abs(cast({number} AS DOUBLE))"
    unit = f"CASE WHEN {size} < 1e11 THEN 1000000 WHEN {size} < 1e14 THEN 1000 WHEN {size} < 1e17 THEN 1 ELSE 0.001 END"
    exact = f"try_cast({number} AS DECIMAL(32, 6))"  # a DOUBLE of microseconds is not, from the year 2255 on
    return f"timestamp_micros(try_cast(round({exact} * {unit}) AS BIGINT))"


def rules(declared: T.StructType, event_time: str | None) -> dict[str, str]:
    """What can be wrong, in the order it is looked for. A good record pays little for it: whatever parses the value
    once more stands behind a condition that is cheap, false and never null (SQL looks at x in `null AND x`)."""
    every = list(fields(declared))
    found = {
        "tombstone": "_value IS NULL",
        "empty value": f"_record IS NULL AND NOT {TEXT} RLIKE '[^ \t\r\n]'",
        "not utf-8": NOT_UTF_8,
        "not json": "_record IS NULL AND NOT (_contained "
        f"AND exists(array({parsed('STRING')}), frame -> {whole('frame')}))",
        "not a json object": f"_record IS NULL AND NOT {TEXT} RLIKE '^[ \t\r\n]*[{{]'",
    }
    found |= {f"wrong type: {field}": f"{unreadable(field)} OR {mistyped(field)}" for field in every}
    found |= {f"missing: {field}": missing(field) for field in every if field.required}
    if event_time:
        found[f"bad event time: {event_time}"] = f"{quoted(event_time)} IS NOT NULL AND {EVENT_TIME} IS NULL"
    return found | {"wrong type": "_record IS NULL"}  # those above name the field; this one lets nothing slip through


def unreadable(field: Field) -> str:
    if len(field.path) > 1:
        return "false"
    alone = f"STRUCT<{field.sql}: {readable(field.kind)}>"
    return f"(_record IS NULL AND {parsed(alone)}._broken IS NOT NULL)"


def mistyped(field: Field) -> str:
    if isinstance(field.kind, T.StringType):
        return not_text(field)
    if isinstance(field.kind, CAST):
        return f"(_record.{field.sql} IS NOT NULL AND {field.sql} IS NULL)"
    return "false" if isinstance(field.kind, T.StructType) else spoilt(f"_record.{field.sql}", field.kind) or "false"


def spoilt(value: str, kind: T.DataType, depth: int = 0) -> str:
    """Whether a number was too large (the word Infinity itself isn't JSON) or a map has a key twice, which some readers
    can't read; empty where neither can be."""
    if isinstance(kind, T.FloatType | T.DoubleType):
        return f"abs({value}) = double('Infinity')"
    one = f"inside{depth}"
    if isinstance(kind, T.StructType):
        found = [spoilt(f"{value}.{quoted(field.name)}", field.dataType, depth) for field in kind]
    elif isinstance(kind, T.ArrayType):
        inner = spoilt(one, kind.elementType, depth + 1)
        found = [inner and f"exists({value}, {one} -> {inner})"]
    elif isinstance(kind, T.MapType):
        inner = spoilt(one, kind.valueType, depth + 1)
        found = [f"size(array_distinct(map_keys({value}))) < size({value})"]
        found += [inner and f"exists(map_values({value}), {one} -> {inner})"]
    else:
        found = []
    return " OR ".join(f"coalesce({wrong}, false)" for wrong in found if wrong)


def not_text(field: Field) -> str:
    """from_json takes any value where text is declared. What looks like another value is looked up again, in an array
    of two copies: a single match would come out without its quotes, two come out as they are. (A number too large is
    the word Infinity to both, in quotes.)"""
    text = f"_record.{field.sql}"
    dubious = literal(r"^(-?\d+(\.\d+)?(E-?\d+)?$|true$|false$|[\[{]|\"-?Infinity\"$)")
    of_text = literal(r'^\["(?!-?Infinity")')
    path = literal("$[*]" + "".join(f"['{name}']" for name in field.path))
    found = f"get_json_object(concat('[', {TEXT}, ',', {TEXT}, ']'), {path})"
    return f"({BEGINS_LIKE_ANOTHER.format(text)} AND {text} RLIKE {dubious} AND NOT {found} RLIKE {of_text})"


def missing(field: Field) -> str:
    around = ".".join(["_record", *map(quoted, field.path[:-1])])
    return f"{around} IS NOT NULL AND _record.{field.sql} IS NULL"


def literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
