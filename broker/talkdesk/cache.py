"""What the adapters of this package remember between calls: values with an age, calls that are under way, and how many there were.

Owns: bounds and ages. Leaves to others: how old a value may be for which purpose.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@dataclass(frozen=True)
class _Entry(Generic[V]):
    value: V
    kept_at: datetime


class AgedValues(Generic[K, V]):
    """At most `size` values; the one that was kept longest ago makes room."""

    def __init__(self, size: int) -> None:
        """Empty."""
        self._size = size
        self._entries: dict[K, _Entry[V]] = {}

    def __len__(self) -> int:
        """How many are kept, of whatever age."""
        return len(self._entries)

    def keep(self, key: K, value: V, now: datetime) -> None:
        """Keep it, as of now."""
        self._entries.pop(key, None)
        while len(self._entries) >= self._size:
            del self._entries[next(iter(self._entries))]
        self._entries[key] = _Entry(value, now)

    def find(self, key: K, now: datetime, max_age: timedelta = timedelta.max) -> V | None:
        """The value, if it is younger than that."""
        entry = self._entries.get(key)
        return entry.value if entry is not None and now - entry.kept_at < max_age else None

    def forget(self, key: K) -> None:
        """Keep it no longer."""
        self._entries.pop(key, None)


class SingleFlight(Generic[K, V]):
    """Callers who want the same thing at the same time share one call, and its error."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._flights: dict[K, asyncio.Task[V]] = {}

    def __len__(self) -> int:
        """How many calls are under way."""
        return len(self._flights)

    def __contains__(self, key: K) -> bool:
        """Whether a call for this is under way."""
        return key in self._flights

    async def run(self, key: K, call: Callable[[], Awaitable[V]]) -> V:
        """The result of the call under way, else of a new one.

        It belongs to nobody alone: a caller who goes away does not end it for the others.
        """
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(_run(call))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._land(key, done))
        return await asyncio.shield(flight)

    def _land(self, key: K, flight: asyncio.Task[V]) -> None:
        del self._flights[key]
        if not flight.cancelled():
            flight.exception()  # looked at, or asyncio complains when every caller has gone


async def _run(call: Callable[[], Awaitable[V]]) -> V:
    return await call()
