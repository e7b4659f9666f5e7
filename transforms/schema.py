"""A declared schema: what may be declared, and its fields one by one."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from pyspark.errors import ParseException
from pyspark.sql import types as T

PLAIN = (T.StringType, T.BooleanType, T.BinaryType, T.DecimalType, T.FloatType, T.DoubleType)
PLAIN += (T.ShortType, T.IntegerType, T.LongType)
# Only at the top and in structs: these are read as something plainer first, and an array of them can't be.
CAST = (T.ByteType, T.DateType, T.TimestampType, T.TimestampNTZType)
EVENT_TIMES = (*CAST[1:], T.StringType, T.IntegerType, T.LongType, T.DoubleType, T.DecimalType)


class Field(NamedTuple):
    """A declared field, maybe inside structs: where it is, what it is, whether it is NOT NULL."""

    path: tuple[str, ...]
    kind: T.DataType
    required: bool

    def __str__(self) -> str:
        return ".".join(self.path)

    @property
    def sql(self) -> str:
        return ".".join(map(quoted, self.path))


def quoted(name: str) -> str:
    """A column of just this name, dots and all."""
    return f"`{name.replace('`', '``')}`"


def fields(declared: T.StructType, path: tuple[str, ...] = ()) -> Iterator[Field]:
    """Each column, and behind a struct the fields inside it; arrays and maps aren't looked into."""
    for field in declared:
        yield Field((*path, field.name), field.dataType, not field.nullable)
        if isinstance(field.dataType, T.StructType):
            yield from fields(field.dataType, (*path, field.name))


def checked(ddl: str, event_time: str | None) -> T.StructType:
    """The schema as Spark reads it, or a ValueError that says in one line what can't be declared."""
    try:
        declared = T._parse_datatype_string(ddl)  # StructType.fromDDL is there from Spark 4.0 on
    except (ParseException, ValueError):  # Spark 3.5 has no Python type for some of its own
        declared = None
    if not isinstance(declared, T.StructType) or not declared.fields:
        raise ValueError(f"schema {ddl!r} isn't a list of columns in Spark DDL, like: id STRING NOT NULL, at TIMESTAMP")
    check_names(declared)
    for name in declared.names:
        if name.startswith("_") or name.lower() in ("dt", "hr"):
            raise ValueError(f"schema column {name!r}: dt, hr and names that start with _ are Floodmark's own")
    if event_time is not None:
        check_event_time(declared, event_time)
    return declared


def check_event_time(declared: T.StructType, name: str) -> None:
    if name not in declared.names:
        raise ValueError(f"event time {name!r} isn't a column of the schema: {', '.join(declared.names)}")
    kind = declared[name].dataType
    if not isinstance(kind, EVENT_TIMES):
        can = "TIMESTAMP, TIMESTAMP_NTZ, DATE, STRING, INT, BIGINT, DOUBLE and DECIMAL can"
        raise ValueError(f"event time {name!r}: {kind.simpleString()} can't tell the time; {can}")


def check_names(columns: T.StructType, inside: str = "", collected: bool = False) -> None:
    lower = [name.lower() for name in columns.names]
    for field in columns:
        where = f"{inside}{field.name}"
        if not re.fullmatch(r"[^\s`'\"?,;(){}=\\\x00-\x1f]+", field.name):
            raise ValueError(f"schema column {where!r}: a name can't have spaces, quotes or any of ?,;(){{}}=\\")
        if lower.count(field.name.lower()) > 1:
            raise ValueError(f"schema column {where!r} is there twice; readers don't tell upper from lower case")
        if collected and not field.nullable:
            raise ValueError(f"schema column {where!r}: NOT NULL isn't checked inside arrays and maps")
        check_kind(field.dataType, where, collected)


def check_kind(kind: T.DataType, where: str, collected: bool) -> None:
    """`collected` says that it is inside an array or a map."""
    if isinstance(kind, T.StructType):
        check_names(kind, f"{where}.", collected)
    elif isinstance(kind, T.ArrayType):
        check_kind(kind.elementType, where, collected=True)
    elif isinstance(kind, T.MapType) and isinstance(kind.keyType, T.StringType):
        check_kind(kind.valueType, where, collected=True)
    elif type(kind) not in PLAIN and (collected or type(kind) not in CAST):
        place = "inside an array or a map" if collected else "from JSON"
        raise ValueError(f"schema column {where!r}: {kind.simpleString()} can't be read {place}; STRING can")
