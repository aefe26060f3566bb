"""Single fields of an event: what each kind of value may be.

Owns: the rules for identifiers, secrets, times and links. An `Unreadable` names the field and never its value.
Leaves to others: which fields an event has (`parse`).
"""

import re
from datetime import UTC, datetime
from typing import Any

from broker.events.strict_json import Object
from broker.model.names import MAX_ID_LENGTH

MAX_SECRET_LENGTH = 16 * 1024
"""A key of RSA 8192 in PEM has some 6,400 characters."""
MAX_NAME_LENGTH = 200

# ISO 8601 as documented: with `Z` or an offset, with or without a fraction. A time without a zone would be a guess.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)", re.ASCII)


class Unreadable(Exception):
    """A field is missing, or not as the documentation says."""


def as_object(value: Any) -> Object:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def optional_object(content: Object, name: str) -> Object:
    """The object of this name, an empty one if there is none. Raises Unreadable where it is something else."""
    value = content.get(name)
    if value is not None and not isinstance(value, dict):
        raise Unreadable(f"{name} is no object")
    return as_object(value)


def optional_identifier(content: Object, *names: str) -> str | None:
    """The first of these that is an identifier: opaque, up to 255 characters, all printable (so no control characters, no half characters)."""
    for name in names:
        value = content.get(name)
        if isinstance(value, str) and 0 < len(value) <= MAX_ID_LENGTH and value.isprintable():
            return value
    return None


def identifier(content: Object, *names: str) -> str:
    """As `optional_identifier`. Raises Unreadable."""
    value = optional_identifier(content, *names)
    if value is None:
        raise Unreadable(f"{' or '.join(names)} is missing or no identifier")
    return value


def identifiers(content: Object, name: str) -> list[str]:
    """The list of identifiers of this name, empty if there is none. Raises Unreadable where it is something else."""
    value = content.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or any(optional_identifier({name: each}, name) is None for each in value):
        raise Unreadable(f"{name} is no list of identifiers")
    return value


def secret(content: Object, name: str) -> str:
    """Text that is kept as it is. Raises Unreadable."""
    value = content.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > MAX_SECRET_LENGTH or not value.isascii():
        raise Unreadable(f"{name} is missing or no text")
    return value


def display_name(content: Object, name: str) -> str:
    """A name that somebody chose, without what can't be shown, shortened; empty if there is none."""
    value = content.get(name)
    if not isinstance(value, str):
        return ""
    shown = "".join(char if char.isprintable() else " " for char in value)
    return " ".join(shown.split())[:MAX_NAME_LENGTH].strip()


def optional_instant(content: Object, name: str) -> datetime | None:
    """A time in UTC, in whole milliseconds; None where there is none."""
    value = content.get(name)
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        return None
    try:
        instant = datetime.fromisoformat(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def instant(content: Object, name: str) -> datetime:
    """As `optional_instant`. Raises Unreadable."""
    value = optional_instant(content, name)
    if value is None:
        raise Unreadable(f"{name} is missing or no time")
    return value


def href(links: Object, *names: str) -> str:
    """The first of these links that is there. Raises Unreadable."""
    for name in names:
        value = as_object(links.get(name)).get("href")
        if isinstance(value, str):
            return value
    raise Unreadable(f"the link {' or '.join(names)} is missing")
