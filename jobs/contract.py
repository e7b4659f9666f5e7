"""The contract between the rooms: what a transform must be, checked before the first record is read."""

import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterator

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from jobs.settings import JSON_RECORDS, Refused, Settings
from transforms.envelope import ENVELOPE, EVENT_TIME, FIELDS, KAFKA, RAW, REJECT, dated, enveloped
from transforms.schema import quoted

Transform = Callable[[DataFrame], DataFrame]

SAFE_VALUE = r"\A[A-Za-z0-9_.-]{1,128}\z"
NULL_FOLDER = "__HIVE_DEFAULT_PARTITION__"  # readers take a folder of this name for a null
PARTITION_TYPES = (T.StringType, T.DateType, T.IntegralType)
TIMES = ("timestamp", "timestamp_ntz", "date")
UNWRITABLE = ("void", "interval")  # Parquet has no such type
# The nodes of a plan that gives one row for each record, whatever the other records are.
ROW_BY_ROW = {"LogicalRDD", "Project", "SubqueryAlias"}


def loaded(settings: Settings) -> tuple[Transform, str]:
    """The function that `--transform` names, and a fingerprint of its module; raises `Refused`."""
    module_name, _, name = settings.transform.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as missing:
        if missing.name and not f"{module_name}.".startswith(f"{missing.name}."):
            raise Refused("--transform", f"{module_name} can't be imported: {missing}") from None
        raise Refused("--transform", f"there is no module {module_name} on the Python path") from None
    except Exception as wrong:
        raise Refused("--transform", f"{module_name} can't be imported: {type(wrong).__name__}: {wrong}") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise Refused("--transform", f"{module_name} has no function {name}")
    try:
        code = inspect.getsource(module)
    except OSError:  # compiled, or made at run time
        code = module_name
    code += repr((settings.schema, settings.event_time))
    return function, hashlib.sha256(code.encode()).hexdigest()[:16]


def completed(spark: SparkSession, function: Transform, settings: Settings) -> Transform:
    """Kafka's columns to judged rows: the transform between the envelope and the table's partition columns.

    Tried on a frame without rows; raises `Refused` when the sink couldn't write what comes out.
    """
    if settings.transform == JSON_RECORDS:
        try:
            function = function(settings.schema, settings.event_time)
        except ValueError as wrong:
            flag = "--event-time" if str(wrong).startswith("event time") else "--schema"
            raise Refused(flag, str(wrong)) from None
    records = spark.createDataFrame([], KAFKA).transform(enveloped)
    try:
        rows = records.transform(function)
        _ = rows.schema  # Spark 3.5 stops here at a type that Python hasn't
    except Exception as wrong:
        line = str(wrong).strip().partition("\n")[0]
        raise Refused("--transform", f"{settings.transform} fails: {type(wrong).__name__}: {line}") from None
    check_rows(records, rows, settings.transform)
    check_partitions(rows.transform(dated), settings)
    check_names(rows.transform(placed(settings.partition_by)), settings.transform)
    return lambda records: records.transform(enveloped).transform(function).transform(placed(settings.partition_by))


def check_rows(records: DataFrame, rows: DataFrame, transform: str) -> None:
    missing = [column for column in (*ENVELOPE, REJECT) if column not in rows.columns]
    if missing:
        raise Refused("--transform", f"{transform} must hand on {', '.join(missing)}")
    check_names(rows, transform)
    others = sorted(set(nodes(analyzed(rows))) - ROW_BY_ROW)
    if others:
        raise Refused(
            "--transform",
            f"{transform} must make one row of each record by itself, without {', '.join(others)}; "
            f"a bad record gets its reason in {REJECT} instead of being dropped",
        )
    kinds = {name: (FIELDS[name].dataType.simpleString(),) for name in ENVELOPE} | {REJECT: ("string", "void")}
    kinds |= {EVENT_TIME: TIMES} if EVENT_TIME in rows.columns else {}
    for name, may_be in kinds.items():
        found = rows.schema[name].dataType.simpleString()
        if found not in may_be:
            raise Refused("--transform", f"{transform} makes {name} {found}; it must be {may_be[0]}")
    before, after = origins(records), origins(rows)
    if changed := [name for name in ENVELOPE if before[name] != after[name]]:
        raise Refused("--transform", f"{transform} changes {', '.join(changed)}; the record's own are handed on as "
                      "they are, and what is made of them is a column of another name")  # fmt: skip
    void = [field.name for field in rows.schema if unwritable(field.dataType) and field.name != REJECT]
    if void:
        raise Refused("--transform", f"{transform} gives {', '.join(void)} a type that Parquet hasn't; cast it to one")


def analyzed(rows: DataFrame):
    return rows._jdf.queryExecution().analyzed()


def origins(rows: DataFrame) -> dict[str, int | None]:
    """Spark's number of the column that each of the envelope is another name of, all the way down; None if something is
    made of it. The plan is made of `ROW_BY_ROW`; each question to it is a round trip to the JVM, so it is walked once.
    """
    plan = analyzed(rows)
    ids = {column.name(): column.exprId().id() for column in each(plan.output()) if column.name() in ENVELOPE}
    while plan.nodeName() != "LogicalRDD":
        if plan.nodeName() == "Project":
            aliases = (made for made in each(plan.projectList()) if made.nodeName() == "Alias")
            of = {made.exprId().id(): named(made.child()) for made in aliases}
            ids = {name: of.get(id_, id_) for name, id_ in ids.items()}
        plan = plan.child()
    return ids


def named(expression) -> int | None:
    """The number of the column that the expression is; None if it is more than a column."""
    return expression.exprId().id() if expression.nodeName() == "AttributeReference" else None


def each(found) -> Iterator:
    """The members of a Scala sequence."""
    return (found.apply(n) for n in range(found.size()))


def unwritable(kind: T.DataType) -> bool:
    if isinstance(kind, T.StructType):
        return not kind.fields or any(unwritable(field.dataType) for field in kind)
    if isinstance(kind, T.ArrayType):
        return unwritable(kind.elementType)
    if isinstance(kind, T.MapType):
        return unwritable(kind.keyType) or unwritable(kind.valueType)
    return kind.simpleString() in UNWRITABLE


def check_names(rows: DataFrame, transform: str) -> None:
    """Readers don't tell upper from lower case."""
    if len({column.lower() for column in rows.columns}) != len(rows.columns):
        raise Refused("--transform", f"{transform} makes two columns of one name: {', '.join(rows.columns)}")


def check_partitions(rows: DataFrame, settings: Settings) -> None:
    for column in settings.partition_by:
        if column not in rows.columns:
            raise Refused("--partition-by", f"{settings.transform} makes no column {column!r}")
        kind = rows.schema[column].dataType
        if not isinstance(kind, PARTITION_TYPES):
            need = "a folder needs a string, a date or a whole number"
            raise Refused("--partition-by", f"{column!r} is {kind.simpleString()}; {need}")


def nodes(plan) -> Iterator[str]:
    """The names of a logical plan's nodes, from the top."""
    yield plan.nodeName()
    for child in each(plan.children()):
        yield from nodes(child)


def placed(partition_by: tuple[str, ...]) -> Transform:
    """Adds the partition columns that the transform didn't make; rejects a row whose value can't name a folder."""

    def with_partitions(rows: DataFrame) -> DataFrame:
        reason = F.col(REJECT)
        for column in partition_by:
            reason = F.coalesce(reason, F.when(unsafe(column), F.lit(f"unsafe partition value: {column}")))
        columns = [*rows.columns, *(column for column in partition_by if column not in rows.columns)]
        kept = [quoted(column) for column in columns]
        return rows.transform(dated).withColumn(REJECT, reason).select(kept).withColumns(kept_if_rejected())

    return with_partitions


def kept_if_rejected() -> dict[str, Column]:
    """The raw record for the quarantine; of a good one nothing is copied from here on."""
    return {name: F.when(F.col(REJECT).isNotNull(), F.col(name)) for name in RAW}


def unsafe(column: str) -> Column:
    """Whether the value can't name a folder: null, empty, long, or with characters that a path may take amiss."""
    value = F.col(column).cast("string")
    return value.isNull() | ~value.rlike(SAFE_VALUE) | value.isin(".", "..", NULL_FOLDER)
