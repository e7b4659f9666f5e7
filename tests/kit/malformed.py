"""What stands in topics of logs instead of the JSON that was agreed on, each by what it is: a corpus to read with every
transform. The value, and why `json_records("status INT", …)` rejects it; None where it is one JSON object after all.
"""

import base64
import gzip
import json

GOOD = {"ts": "2026-11-01T00:00:00Z", "status": 200, "path": "/"}
TEXT = json.dumps(GOOD).encode()
NOT_JSON, NOT_UTF8, NO_OBJECT = "not json", "not utf-8", "not a json object"

MALFORMED: dict[str, tuple[bytes | None, str | None]] = {
    # Cut, glued, wrapped
    "cut in a number": (TEXT[: TEXT.index(b"200") + 1], NOT_JSON),
    "cut in an escape": (b'{"path": "\\u00', NOT_JSON),
    "the second half": (TEXT[20:], NOT_JSON),
    "two with a blank between": (TEXT + b" " + TEXT, NOT_JSON),
    "two with nothing between": (TEXT + TEXT, NOT_JSON),
    "what closes a frame around it": (b'{"status": 1}], "x": [1', NOT_JSON),
    "what closes two": (b'{"status": 1}}], "x": [{"y": 1', NOT_JSON),
    "what puts another frame in its place": (b'{"status": 1}], "end": true, "record": [{"status": 2}', NOT_JSON),
    "what begins with an empty frame": (b'], "record": [{"status": 2}', NOT_JSON),
    "what ends the frame": (b'{"status": 1}], "end": true}{', NOT_JSON),
    "what ends the frame and an object's": (b'{"status": 1}], "end": true} //', NOT_JSON),
    "what ends an object's frame": (b'{"status": 1}, "end": true} ]', NOT_JSON),
    "what names Spark's column": (b'{"status": 1}], "_broken": null, "x": [', NOT_JSON),
    "brackets that belong to it": (b'{"status": 1, "x": [{"y": "}], ["}]}', None),
    "a list of events": (b"[" + TEXT + b"," + TEXT + b"]", NO_OBJECT),
    "a string that holds the event": (json.dumps(TEXT.decode()).encode(), NO_OBJECT),
    "a line end behind it": (TEXT + b"\r\n", None),
    "a prefix of syslog": (b"<134>1 2026-11-01T00:00:00Z edge-1 nginx 31 - - " + TEXT, NOT_JSON),
    "a prefix of docker": (b"2026-11-01T00:00:00.1Z stdout F " + TEXT, NOT_JSON),
    "a length before it": (len(TEXT).to_bytes(4, "big") + TEXT, NOT_JSON),
    "an event of SSE": (b"data: " + TEXT + b"\n\n", NOT_JSON),
    # Nearly JSON
    "a comma too many": (b'{"status": 200,}', NOT_JSON),
    "a comma too few": (b'{"status": 200 "path": "/"}', NOT_JSON),
    "single quotes": (b"{'status': 200}", NOT_JSON),
    "no quotes": (b"{status: 200}", NOT_JSON),
    "a comment": (b'{"status": 200 /* ok */}', NOT_JSON),
    "Python's words": (b'{"status": None, "ok": True}', NOT_JSON),
    "JavaScript's words": (b'{"status": undefined}', NOT_JSON),
    "not a number": (b'{"status": NaN}', NOT_JSON),
    "infinite": (b'{"status": -Infinity}', NOT_JSON),
    "a leading zero": (b'{"status": 0200}', NOT_JSON),
    "a leading plus": (b'{"status": +200}', NOT_JSON),
    "hexadecimal": (b'{"status": 0xC8}', NOT_JSON),
    "a tab in a text": (b'{"path": "a\tb"}', NOT_JSON),
    "a line end in a text": (b'{"path": "a\nb"}', NOT_JSON),
    "an escape that isn't": (b'{"path": "\\x2f"}', NOT_JSON),
    "half a pair of surrogates": (b'{"path": "\\ud83d"}', None),
    # Of another form
    "the combined log format": (
        b'192.0.2.1 - - [01/Nov/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8"',
        NOT_JSON,
    ),
    "logfmt": (b'ts=2026-11-01T00:00:00Z status=200 path="/"', NOT_JSON),
    "CSV": (b'2026-11-01,200,"/"', NOT_JSON),
    "XML": (b'<?xml version="1.0"?><event status="200"/>', NOT_JSON),
    "YAML": (b"---\nstatus: 200\npath: /\n", NOT_JSON),
    "CEF": (b"CEF:0|vendor|edge|1|100|request|3|src=192.0.2.1", NOT_JSON),
    "Avro by a schema registry": (b"\x00\x00\x00\x00\x07\x02H\xc8\x01", NOT_UTF8),
    "MessagePack": (b"\x81\xa6status\xcc\xc8", NOT_UTF8),
    "gzip": (gzip.compress(TEXT, mtime=0), NOT_UTF8),
    "base64": (base64.b64encode(TEXT), NOT_JSON),
    "a number": (b"200", NO_OBJECT),
    "a word": (b"true", NO_OBJECT),
    "nothing": (b"null", NO_OBJECT),
    # Of another encoding
    "a byte order mark": (b"\xef\xbb\xbf" + TEXT, NOT_JSON),
    "UTF-16": (TEXT.decode().encode("utf-16-le"), NOT_JSON),
    "UTF-16 with its mark": (TEXT.decode().encode("utf-16"), NOT_UTF8),
    "Latin-1": ('{"path": "/café"}'.encode("latin-1"), NOT_UTF8),
    "UTF-8 twice": ('{"path": "/café"}'.encode().decode("latin-1").encode(), None),
    "an overlong slash": (b'{"path": "\xc0\xaf"}', NOT_UTF8),
    "a surrogate as bytes": (b'{"path": "\xed\xa0\xbd"}', NOT_UTF8),
    "zeros behind it": (TEXT + b"\0" * 8, NOT_JSON),
    "zeros only": (b"\0" * 64, NOT_JSON),
    # JSON, but not what was meant
    "a key twice": (b'{"status": 1, "status": 2}', None),
    "a key of nothing": (b'{"": 1}', None),
    "a key with a dot": (b'{"a.b": 1}', None),
    "another's capitals": (b'{"Status": 200}', None),
    "a number as text": (b'{"status": "200"}', "wrong type: status"),
    "a fraction": (b'{"status": 200.5}', "wrong type: status"),
    "a whole number as a fraction": (b'{"status": 200.0}', "wrong type: status"),
    "too large for the type": (b'{"status": 2147483648}', "wrong type: status"),
    "too large for any": (b'{"status": 1e400}', "wrong type: status"),
    "a list": (b'{"status": [200]}', "wrong type: status"),
    "an object": (b'{"status": {"code": 200}}', "wrong type: status"),
    "a truth": (b'{"status": true}', "wrong type: status"),
    "a leap second": (b'{"ts": "2016-12-31T23:59:60Z"}', "wrong type: ts"),
    "an hour that a change of clocks left out": (b'{"ts": "2026-03-29T02:30:00"}', None),
    "a time of another kind": (b'{"ts": 1793491200}', "wrong type: ts"),
}
