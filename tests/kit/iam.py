"""Whether a policy document allows a request, by IAM's rules for what our documents use: no Deny, string conditions.

moto's own evaluation skips StringLike and lets every condition through that it doesn't know, so it would prove little.
"""

import re

OPERATORS = {
    "StringEquals": lambda pattern, value: pattern == value,
    "StringLike": lambda pattern, value: like(pattern, value),
}


def allowed(document: dict, action: str, resource: str = "", principal: str = "", **context: str) -> bool:
    """`context` holds condition keys with `_` for `:`; a key that the request hasn't got fails its condition."""
    given = {name.replace("_", ":", 1): value for name, value in context.items()}
    return any(_allows(statement, action, resource, principal, given) for statement in document["Statement"])


def _allows(statement: dict, action: str, resource: str, principal: str, context: dict[str, str]) -> bool:
    assert statement["Effect"] == "Allow"
    conditions = [
        any(OPERATORS[operator](pattern, context.get(key, "")) for pattern in listed(patterns))
        for operator, keys in statement.get("Condition", {}).items()
        for key, patterns in keys.items()
    ]
    return (
        any(like(pattern.lower(), action.lower()) for pattern in listed(statement["Action"]))
        and any(like(pattern, resource) for pattern in listed(statement.get("Resource", "")))
        and principal in listed(statement.get("Principal", {}).get("AWS", ""))
        and all(conditions)
    )


def like(pattern: str, value: str) -> bool:
    """IAM's wildcards: `*` is any characters, `/` among them, and `?` one."""
    wild = {"*": ".*", "?": "."}
    return re.fullmatch("".join(wild.get(letter) or re.escape(letter) for letter in pattern), value) is not None


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
