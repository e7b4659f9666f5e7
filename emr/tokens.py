"""Client tokens: AWS answers a request that it has seen with what it did for the first."""

import hashlib
import json


def tokened(request: dict, after: str = "", name: str = "clientToken") -> dict:
    """The request with a token made of all that is in it, and of `after`, the run that came before."""
    text = json.dumps([request, after], sort_keys=True)
    return request | {name: hashlib.sha256(text.encode()).hexdigest()[:48]}
