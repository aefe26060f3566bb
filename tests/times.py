"""Times in parameters of tests: told when they are needed, since parameters are made when a file is read, minutes before, and in every process."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SecondsFromNow:
    """So many seconds after the moment at which it is needed."""

    seconds: int


def told_now(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values, with each `SecondsFromNow` as a NumericDate (RFC 7519, 2)."""
    now = int(time.time())
    return {name: now + each.seconds if isinstance(each, SecondsFromNow) else each for name, each in values.items()}
