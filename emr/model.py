"""A request checked against AWS's own service model, as botocore ships it: what AWS would refuse, before it is sent.

botocore's own check leaves out enums, patterns, and the most that something may be; these are here. What AWS says only
in prose is in rules.py, whose `faults` is the whole check.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache

import botocore.session
from botocore.model import Shape

KINDS = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "double": float,
    "float": float,
    "timestamp": str,
    "structure": dict,
    "map": dict,
    "list": list,
}
# Java's and XML's characters above U+FFFF, which Python's patterns have no pairs for.
SURROGATES = re.compile(r"\\uD800(\\uDC00-\\uDBFF|\\uDBFF-\\uDC00)\\uDFFF")


def shape(service: str, operation: str) -> Shape:
    return models().get_service_model(service).operation_model(operation).input_shape


@cache
def models():
    return botocore.session.get_session()


def wrong(shape: Shape, value, at: str) -> Iterator[str]:
    """The faults of `value` and of what is in it; `at` is the path to it."""
    kind = KINDS[shape.type_name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        yield f"{at}: {value!r} is not a {shape.type_name}"
        return
    yield from bounds(shape, value, at)
    if shape.type_name == "structure":
        yield from members(shape, value, at)
    elif shape.type_name == "list":
        for number, item in enumerate(value):
            yield from wrong(shape.member, item, f"{at}[{number}]")
    elif shape.type_name == "map":
        for key, item in value.items():
            yield from wrong(shape.key, key, f"{at} key {key}")
            yield from wrong(shape.value, item, f"{at}.{key}")
    elif shape.type_name == "string":
        yield from text(shape, value, at)


def members(shape: Shape, value: dict, at: str) -> Iterator[str]:
    for name in shape.required_members:
        if name not in value:
            yield f"{below(at, name)} is missing"
    if shape.metadata.get("union") and len(value) != 1:
        yield f"{at} takes exactly one of {', '.join(shape.members)}"
    for name, item in value.items():
        if name not in shape.members:
            yield f"{below(at, name)} is unknown"
        else:
            yield from wrong(shape.members[name], item, below(at, name))


def bounds(shape: Shape, value, at: str) -> Iterator[str]:
    """The least and most of a number, a text's length, a list's or a map's size."""
    number = isinstance(value, int | float)
    size = value if number else len(value)
    unit = "" if number else " characters" if isinstance(value, str) else " items"
    if (least := shape.metadata.get("min")) is not None and size < least:
        yield f"{at}: {size:,}{unit}, and AWS takes no less than {least:,}"
    if (most := shape.metadata.get("max")) is not None and size > most:
        yield f"{at}: {size:,}{unit}, and AWS takes no more than {most:,}"


def text(shape: Shape, value: str, at: str) -> Iterator[str]:
    if (allowed := shape.metadata.get("enum")) and value not in allowed:
        yield f"{at}: {value!r} is none of {', '.join(allowed)}"
    if (pattern := shape.metadata.get("pattern")) and not compiled(pattern).fullmatch(value):
        yield f"{at}: {value!r} does not have AWS's form {pattern}"


@cache
def compiled(pattern: str) -> re.Pattern:
    return re.compile(SURROGATES.sub(r"\\U00010000-\\U0010FFFF", pattern), re.DOTALL)


def below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def recased(shape: Shape | None, value, change: Callable[[str], str]):
    """`value` with the names of its structures changed; keys of maps, which are data, stay."""
    kind = shape.type_name if shape else ""
    if kind == "structure" and isinstance(value, dict):
        return {change(name): recased(shape.members.get(camel(name)), item, change) for name, item in value.items()}
    if kind == "map" and isinstance(value, dict):
        return {key: recased(shape.value, item, change) for key, item in value.items()}
    if kind == "list" and isinstance(value, list):
        return [recased(shape.member, item, change) for item in value]
    return value


def camel(name: str) -> str:
    return name[:1].lower() + name[1:]


def pascal(name: str) -> str:
    return name[:1].upper() + name[1:]
