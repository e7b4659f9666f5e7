"""Requests to S3 by kind, from the access log of the stand-in."""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

# What isn't answered with 200 is coloured in the log.
REQUEST = re.compile(r'"(?:\x1b\[[0-9;]*m)*([A-Z]+) (/[^ ]*) HTTP/')
BUCKET = re.compile(r"/[^/?]+/?(\?.*)?")
KINDS = ("PUT", "POST", "LIST", "GET", "HEAD", "DELETE")


def kind(line: str) -> str | None:
    """What S3's price list calls the request; none if the line is of no request.

    A copy is a PUT in the log, and has a PUT's price.
    """
    found = REQUEST.search(line)
    if not found:
        return None
    method, path = found.groups()
    if method == "GET" and BUCKET.fullmatch(path):
        return "LIST"
    if method == "POST" and re.search(r"\?delete(=|&|$)", path):
        return "DELETE"  # of many keys
    return method


def kinds(lines: Iterable[str]) -> Counter[str]:
    return Counter(filter(None, map(kind, lines)))


def between(log: Path, marks: list[int]) -> list[Counter[str]]:
    """Kinds between each two marks, which are lengths of the log."""
    text = log.read_bytes()
    pieces = (text[begin:end].decode(errors="replace") for begin, end in pairwise(marks))
    return [kinds(piece.splitlines()) for piece in pieces]
