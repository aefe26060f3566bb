"""JSON that can be read in one way only (RFC 8259): what signs it, and what reads it, must not see two different events.

Refused: anything but UTF-8, the same name twice in an object, NaN and Infinity, numbers and nesting without end.
"""

import json
from typing import Any, NoReturn

Object = dict[str, Any]


def read_object(body: bytes) -> Object:
    """The object that the body is. Raises ValueError, whose text never quotes the body."""
    try:
        content = json.loads(body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deep") from None
    except ValueError as error:
        # Of the parser's own words only its kind: they may come with the document.
        raise ValueError(f"not JSON ({type(error).__name__})") from None
    if not isinstance(content, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 — of a value that came from outside
    return content


def _unique(pairs: list[tuple[str, Any]]) -> Object:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("the same name twice")
    return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
