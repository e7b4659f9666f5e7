"""S3 as a function: objects and a request in, objects and an answer out; and boto3's client over such answers."""

import io
from collections.abc import Callable
from typing import NamedTuple

from botocore.exceptions import ClientError

Objects = dict[str, bytes]
Request = tuple  # verb, key, and what else the verb needs
WRITES = ("put", "copy", "delete")
LOST = "lost"


class Returned(NamedTuple):
    """What a call came to, in place of the answers that it got: what it forgot makes no difference any more."""

    value: object


class Client:
    """What the store calls of boto3's client. Requests get the `answers`, then what `ask` says."""

    def __init__(self, ask: Callable[[Request], object], answers: tuple = ()):
        self.ask, self.answers, self.at = ask, [*answers], 0

    def once(self, owner: object, *names: str) -> None:
        """These functions of `owner`, which change nothing in the driver, are remembered by what they return."""
        for name in names:
            setattr(owner, name, self._remembered(getattr(owner, name)))

    def _remembered(self, function: Callable) -> Callable:
        def remembered(*args):
            start = self.at
            if start < len(self.answers) and isinstance(self.answers[start], Returned):
                self.at += 1
                return self.answers[start].value
            value = function(*args)
            if self.at > start:
                self.answers[start : self.at] = [Returned(value)]
                self.at = start + 1
            return value

        return remembered

    def _answer(self, *request):
        if self.at == len(self.answers):
            self.answers.append(self.ask(request))
        answer = self.answers[self.at]
        self.at += 1
        if answer == LOST:
            raise TimeoutError
        if answer in ("404", "412"):
            raise ClientError({"Error": {"Code": answer}}, request[0])
        return answer

    def put_object(self, Bucket, Key, Body, IfNoneMatch=None):
        self._answer("put", Key, Body, IfNoneMatch)

    def get_object(self, Bucket, Key):
        return {"Body": io.BytesIO(self._answer("get", Key))}

    def head_object(self, Bucket, Key):
        self._answer("head", Key)

    def copy_object(self, Bucket, Key, CopySource, IfNoneMatch=None):
        self._answer("copy", Key, CopySource["Key"])

    def get_paginator(self, operation):
        return self

    def paginate(self, Bucket, Prefix, StartAfter="", Delimiter=""):
        if Delimiter:
            yield {"CommonPrefixes": [{"Prefix": folder} for folder in self._answer("folders", Prefix)]}
        else:
            yield {"Contents": [{"Key": key, "Size": size} for key, size in self._answer("list", Prefix, StartAfter)]}

    def delete_objects(self, Bucket, Delete):
        for item in Delete["Objects"]:  # one after the other: others can see it half done
            self._answer("delete", item["Key"])
        return {}


def served(objects: Objects, request: Request) -> tuple[Objects, object]:
    """The objects after a request, and its answer. A copy replaces, as in the stores that ignore its condition."""
    verb, key, *more = request
    if verb == "put":
        body, if_none_match = more
        return (objects, "412") if if_none_match and key in objects else ({**objects, key: body}, None)
    if verb == "copy":
        return ({**objects, key: objects[more[0]]}, None) if more[0] in objects else (objects, "404")
    if verb == "delete":
        return {at: body for at, body in objects.items() if at != key}, None
    if verb == "get":
        return objects, objects.get(key, "404")
    if verb == "head":
        return objects, None if key in objects else "404"
    below = sorted(at for at in objects if at.startswith(key))
    if verb == "list":
        return objects, tuple((at, len(objects[at])) for at in below if at > more[0])
    return objects, tuple(dict.fromkeys(key + at.removeprefix(key).partition("/")[0] + "/" for at in below))
