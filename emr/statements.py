"""One statement of an IAM policy."""


def allow(sid: str, actions: list[str], resource, condition: dict | None = None, principal: str = "") -> dict:
    """`resource` is an ARN, several, or none in a trust policy; without `principal` it is an identity's policy."""
    statement = {"Sid": sid, "Effect": "Allow", "Action": actions}
    if principal:
        statement["Principal"] = {"AWS": principal}
    if resource:
        statement["Resource"] = resource
    if condition:
        statement["Condition"] = condition
    return statement
