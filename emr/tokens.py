"""A request is known again by its digest: AWS by the client token, we by a tag of the run."""

import hashlib
import json

NAME, REQUEST = "floodmark", "floodmark-request"  # the tags of all that belongs to a job


def tagged(request: dict, name: str) -> dict:
    """The request with the job's name and its own digest as tags."""
    return request | {"tags": {NAME: name, REQUEST: digest(request)[:16]}}


def tokened(request: dict, after: str = "") -> dict:
    """The request with a token made of all that is in it, and of `after`, the run that came before."""
    return request | {"clientToken": digest([request, after])[:48]}


def digest(of: dict | list) -> str:
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()
