"""A page of a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows. A page may be short, or even empty, though more follow: `next` says so."""

    rows: Sequence[T]
    next: str | None
    """Where the next page begins, for the same list; None at the end."""
