"""Requests to the events endpoint that are almost right: good events with something wrong in their JSON, bytes, headers or framing.

Owns: what is changed, by chance alone. Leaves to others: the good events, signing, and what must come of it.
"""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

STRANGE_TEXTS = (
    "",
    " ",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "\u202e\u0000\uffff",
    "é" * 300,
    "x" * 20_000,
    "../../../../etc/passwd",
    "'; DROP TABLE event; --",
    "%00%0a",
    "\r\nX-Injected: 1",
    "https://evil.example/",
    "http://127.0.0.1:1/",
    "https://[::1",
    "//",
    "javascript:alert(1)",
    "9999-99-99T99:99:99Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-11-25T10:00:00",
    "1e999",
)
STRANGE_VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    2**63,
    10**400,
    0.1,
    1e308,
    [],
    {},
    [[]],
    {"href": None},
    {"": ""},
    ["a"] * 1000,
    *STRANGE_TEXTS,
)
STRANGE_BYTES = (
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b'{"a":1,"a":2}',
    b"NaN",
    b"-Infinity",
    b"\\u0000",
    b"\\ud800",
    b"]",
    b"{" * 600,
)
STRANGE_HEADERS = (
    "X-Hub-Ecdsa-Signature: ",
    "X-Hub-Ecdsa-Signature: zz",
    "X-Hub-Ecdsa-Signature: " + "00" * 200,
    "X-Hub-Ecdsa-Signature-Id: ../../x",
    "X-Hub-Ecdsa-Signature-Id: " + "k" * 5000,
    "X-Hub-Ecdsa-Signature-Id: \xe9\x01",
    "Content-Type: text/plain; charset=utf-7",
    "Content-Type: multipart/form-data; boundary=",
    "Content-Encoding: gzip",
    "Content-Length: 0",
    "Content-Length: -1",
    "Content-Length: 99999999999",
    "Transfer-Encoding: chunked",
    "Transfer-Encoding: gzip, chunked",
    "Expect: 100-continue",
    "Upgrade: h2c",
    "Connection: close",
    "Cookie: " + "a=b; " * 2000,
    "X-Request-Id: " + "'\"<>" * 50,
    ": no name",
    "No colon",
)


def changed_content(content: dict[str, Any], chance: random.Random) -> bytes:
    """JSON with one to three values replaced, left out, put elsewhere, or named anew."""
    changed = copy.deepcopy(content)
    for _ in range(chance.randint(1, 3)):
        holder, name = _any_place(changed, chance)
        chance.choice(_CHANGES)(holder, name, chance)
    return json.dumps(changed, ensure_ascii=True).encode()


def changed_bytes(body: bytes, chance: random.Random) -> bytes:
    """One to four changes that know nothing of JSON."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed) + 1)
        match chance.randrange(5):
            case 0:
                changed[at:at] = chance.choice(STRANGE_BYTES)
            case 1:
                del changed[at : at + chance.choice((1, 10, 1000))]
            case 2:
                del changed[at:]
            case 3:
                changed[at : at + 1] = chance.randbytes(1)
            case _:
                changed[at:at] = changed[:at]
    return bytes(changed)


def changed_head(request: bytes, chance: random.Random) -> bytes:
    """A request with a header more, less, twice or damaged; its length may be wrong then."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    at = chance.randrange(1, len(lines))
    match chance.randrange(5):
        case 0 | 1:
            lines.insert(at, chance.choice(STRANGE_HEADERS).encode("latin-1"))
        case 2:
            del lines[at]
        case 3:
            lines.insert(at, lines[at])
        case _:
            lines[at] = changed_bytes(lines[at], chance)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _any_place(content: dict[str, Any], chance: random.Random) -> tuple[dict[str, Any], str]:
    holder = content
    while True:
        name = chance.choice(list(holder) or [""])
        inner = holder.get(name)
        if not isinstance(inner, dict) or not inner or chance.random() < 0.2:
            return holder, name
        holder = inner


Change = Callable[[dict[str, Any], str, random.Random], None]


def _replace(holder: dict[str, Any], name: str, chance: random.Random) -> None:
    holder[name] = chance.choice(STRANGE_VALUES)


def _leave_out(holder: dict[str, Any], name: str, _chance: random.Random) -> None:
    holder.pop(name, None)


def _wrap(holder: dict[str, Any], name: str, chance: random.Random) -> None:
    holder[name] = chance.choice(([holder.get(name)], {name: holder.get(name)}))


def _name_anew(holder: dict[str, Any], name: str, chance: random.Random) -> None:
    holder[chance.choice(STRANGE_TEXTS)] = holder.pop(name, None)


def _damage(holder: dict[str, Any], name: str, chance: random.Random) -> None:
    text = str(holder.get(name))
    at = chance.randrange(len(text) + 1)
    holder[name] = text[:at] + chance.choice(STRANGE_TEXTS) + text[at:]


_CHANGES: tuple[Change, ...] = (_replace, _replace, _leave_out, _wrap, _name_anew, _damage)
