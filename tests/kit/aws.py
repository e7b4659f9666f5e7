"""An `aws` command line, checked against the service models that botocore ships, from which the AWS CLI is made."""

import json
from functools import cache

import botocore.session
from botocore import xform_name
from botocore.model import Shape
from botocore.validate import ParamValidator

GLOBAL = {"--query", "--output", "--region"}
NAMES = {"s3api": "s3"}  # of a service, where the CLI has one of its own
SCALARS = {"integer": int, "long": int, "double": float, "float": float}


def parsed(words: list[str]) -> tuple[str, str, dict]:
    """Service, operation and parameters of `SERVICE OPERATION --flag value …`; raises `ValueError` on what isn't so."""
    service, command, *rest = words
    model = models().get_service_model(NAMES.get(service, service))
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if command not in operations:
        raise ValueError(f"aws {service} has no {command}")
    operation = model.operation_model(operations[command])
    members = {f"--{xform_name(name, '-')}": name for name in operation.input_shape.members}
    # The CLI makes up the tokens of idempotency.
    tokens = [name for name, member in operation.input_shape.members.items() if "idempotencyToken" in member.metadata]
    given = dict.fromkeys(tokens, "0" * 32)
    for flag, values in flags(rest):
        if flag == "--query":
            follow(operation.output_shape, *values)
        if flag in GLOBAL and len(values) == 1:
            continue
        if flag not in members:
            raise ValueError(f"aws {service} {command} has no {flag}")
        given[members[flag]] = value(operation.input_shape.members[members[flag]], values)
    wrong = ParamValidator().validate(given, operation.input_shape)
    if wrong.has_errors():
        raise ValueError(f"aws {service} {command}: {wrong.generate_report()}")
    return service, operation.name, given


@cache
def models():
    return botocore.session.get_session()


def flags(words: list[str]) -> list[tuple[str, list[str]]]:
    """Each `--flag` with the words up to the next."""
    found: list[tuple[str, list[str]]] = []
    for word in words:
        if word.startswith("--"):
            found.append((word, []))
        elif not found:
            raise ValueError(f"{word!r} belongs to no flag")
        else:
            found[-1][1].append(word)
    return found


def follow(shape: Shape, path: str) -> None:
    """Raises `ValueError` if the answer has no such path of names and `[]`."""
    for name in path.replace("[]", ".[]").split("."):
        if name == "[]" and shape.type_name == "list":
            shape = shape.member
        elif name in getattr(shape, "members", {}):
            shape = shape.members[name]
        else:
            raise ValueError(f"--query {path}: the answer has no {name}")


def value(shape: Shape, words: list[str]):
    if shape.type_name == "boolean":
        return True
    if len(words) == 1 and words[0][:1] in "[{" and shape.type_name != "string":
        return json.loads(words[0])
    if shape.type_name == "structure" and len(words) == 1:
        return dict(pair.split("=", 1) for pair in words[0].split(","))
    if shape.type_name == "list":
        return words
    if len(words) != 1:
        raise ValueError(f"{words} is not one value")
    return SCALARS.get(shape.type_name, str)(words[0])
