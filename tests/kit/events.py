"""Access-log events as real producers send them: most are good, a few are broken in the ways producers break them.

    for event in access_log_events(200_000, seed=1):
        producer.send(event.key, event.value, event.headers, event.timestamp_ms)

The same arguments give the same events. A good value is JSON of about 370 bytes; paths and users are Zipf-like.
"""

import gzip
import json
import random
from bisect import bisect
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

START = datetime(2026, 11, 1, tzinfo=timezone.utc)


class Event(NamedTuple):
    """One Kafka record to produce, and the `_reject` that `access_log` gives it (None = a good one)."""

    key: bytes
    value: bytes | None
    headers: list[tuple[str, bytes]]
    timestamp_ms: int
    reason: str | None


def access_log_events(
    count: int, seed: int, broken: float = 0.005, start: datetime = START, hours: float = 6
) -> Iterator[Event]:
    """Yield `count` events in the order they were sent; `broken` is the share of bad ones.

    Event times run from `start` (with a zone) over `hours`; the Kafka timestamp is up to 2 s later than the event time.
    """
    dice = random.Random(seed)
    start_ms, step_ms = round(start.timestamp() * 1000), hours * 3_600_000 / max(count, 1)
    kinds = sorted(BROKEN)
    for number in range(count):
        event_ms = start_ms + int((number + dice.random()) * step_ms)
        user, value = access(dice, event_ms)
        reason = None
        if dice.random() < broken:
            break_it, reason = BROKEN[kinds[dice.randrange(len(kinds))]]
            value = break_it(value)
        yield Event(user, value, HEADERS[number % len(HEADERS)], event_ms + int(dice.random() * 2000), reason)


def access(dice: random.Random, event_ms: int) -> tuple[bytes, bytes]:
    """One good event: its key (the user, or the client's address where nobody is signed in) and its JSON.

    One draw of random bits serves the whole event, and the JSON is put together from pieces that are JSON already:
    it is what makes 200,000 events a matter of seconds.
    """
    bits = dice.getrandbits(128)
    digits = f"{bits:032x}"
    method, path, usual_bytes = PATHS[bits >> 4 & 0xFFFF]
    status = STATUSES[bits >> 20 & 0x3FF]
    client_ip = f"{11 + (bits >> 32) % 200}.{bits >> 40 & 255}.{bits >> 48 & 255}.{1 + (bits >> 56) % 254}"
    user_id = f'"u-{int(USERS ** dice.random()):06d}"' if bits & 3 else "null"
    value = (
        f'{{"event_id":"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}",'
        f'"ts":"{second(event_ms // 1000)}.{event_ms % 1000:03d}Z","client_ip":"{client_ip}","method":"{method}",'
        f'"path":{path},"status":{status},"bytes":{0 if status in (204, 304) else usual_bytes + bits % 997},'
        f'"duration_ms":{3 + dice.expovariate(0.02):.3f},"user_agent":{AGENTS[bits >> 64 & 0x3FF]},'
        f'"referer":{REFERERS[bits >> 74 & 0x3FF]},"user_id":{user_id}}}'
    )
    return (user_id[1:-1] if bits & 3 else client_ip).encode(), value.encode()


@lru_cache(maxsize=64)
def second(epoch_seconds: int) -> str:
    return (datetime(1970, 1, 1) + timedelta(seconds=epoch_seconds)).isoformat()


def drawn(slots: int, weights: dict) -> list:
    """A list of `slots` values, each as often as its weight says, so that a random index draws one."""
    values, total = list(weights), list(accumulate(weights.values()))
    return [values[bisect(total, (slot + 0.5) / slots * total[-1])] for slot in range(slots)]


def zipf(values: list) -> dict:
    return {value: 1 / rank for rank, value in enumerate(values, 1)}


def changed(**fields) -> Callable[[bytes], bytes]:
    """The good event with these fields given other values; `...` leaves the field out."""

    def broken(value: bytes) -> bytes:
        event = json.loads(value) | fields
        return json.dumps({name: field for name, field in event.items() if field is not ...}).encode()

    return broken


def protobuf(value: bytes) -> bytes:
    """The event's first text fields as protocol buffers put them on the wire, a varint and a double behind them."""
    event = json.loads(value)
    fields = (event["event_id"], event["ts"], event["path"])
    texts = b"".join(bytes([number << 3 | 2, len(text)]) + text.encode() for number, text in enumerate(fields, 1))
    return texts + b"\x20\xc8\x01\x29" + b"\x9a\x99\x99\x99\x99\x99\xf1\x3f"


HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><center><h1>502 Bad Gateway</h1></center></body></html>\r\n"
STACK_TRACE = b"""java.lang.IllegalStateException: event buffer closed
\tat com.example.edge.EventBuffer.append(EventBuffer.java:118)
\tat com.example.edge.AccessLogFilter.doFilter(AccessLogFilter.java:64)
Caused by: java.util.concurrent.TimeoutException: 30000 ms
"""

BROKEN: dict[str, tuple[Callable[[bytes], bytes | None], str]] = {
    "cut off": (lambda value: value[: len(value) * 2 // 3], "not json"),
    "double encoded": (lambda value: json.dumps(value.decode()).encode(), "not a json object"),
    "empty": (lambda value: b"", "empty value"),
    "event id missing": (changed(event_id=...), "missing: event_id"),
    "gzip": (lambda value: gzip.compress(value, mtime=0), "not utf-8"),
    "html error page": (lambda value: HTML, "not json"),
    "latin-1": (lambda value: value.replace(b'"user_agent":"', b'"user_agent":"Caf\xe9/2.1 ', 1), "not utf-8"),
    "local time": (changed(ts="01/Nov/2026:13:45:07 +0100"), "wrong type: ts"),
    "negative bytes": (changed(bytes=-1), "negative bytes"),
    "no such day": (changed(ts="2026-11-31T08:00:00.000Z"), "wrong type: ts"),
    "number where text was": (changed(path=404), "wrong type: path"),
    "protobuf": (protobuf, "not utf-8"),
    "stack trace": (lambda value: STACK_TRACE, "not json"),
    "status out of range": (changed(status=999), "bad status"),
    "text where a number was": (changed(status="200"), "wrong type: status"),
    "tombstone": (lambda value: None, "tombstone"),
    "two in one": (lambda value: value + b"\n" + value, "not json"),
}

USERS = 50_000
HEADERS = [[("content-type", b"application/json"), ("producer", f"edge-{edge}".encode())] for edge in range(6)]
STATUSES = drawn(1 << 10, {200: 900, 304: 45, 404: 22, 302: 12, 201: 8, 204: 5, 403: 3, 500: 3, 503: 1, 429: 1})
PATHS = drawn(
    1 << 16,
    zipf(
        [
            ("GET", '"/"', 18_000),
            ("POST", '"/login"', 900),
            ("PUT", '"/api/v1/cart"', 400),
            ("GET", r'"/api/v1/search?q=caf\u00e9&page=1"', 9_000),
            *(("GET", f'"/assets/{name}.js"', 91_000) for name in ("app", "vendor", "theme", "icons")),
            *(("GET", f'"/products/{number:05d}/überblick"', 31_000) for number in range(1, 800)),
            *(("DELETE", f'"/api/v1/orders/{number:07d}"', 700) for number in range(1000, 1400)),
        ]
    ),
)
AGENTS = drawn(
    1 << 10,
    zipf(
        [
            '"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"',
            '"Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"',
            '"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36"',
            '"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0"',
            '"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"',
            '"okhttp/5.1.0"',
            '"curl/8.14.1"',
        ]
    ),
)
REFERERS = drawn(
    1 << 10,
    {
        "null": 40,
        '"https://www.example.com/"': 30,
        '"https://www.example.com/products?sort=price&page=2"': 20,
        '"https://search.example.net/?q=waterproof+boots"': 10,
    },
)
