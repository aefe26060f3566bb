"""Ports of a reconcile: what the database knows of identity providers, many at a time, what was repaired, and whose turn it is."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from broker.model.identity_provider import KnownProvider
from broker.model.names import Alias, InstallationId


class KnownProviders(Protocol):
    """Installations with their identity providers, as the database knows them, many at a time: what a reconcile compares the realm with."""

    async def count(self) -> int:
        """How many installations there are."""
        ...

    async def by_alias(self, aliases: Collection[Alias]) -> Mapping[Alias, KnownProvider]:
        """Those of these aliases that were ever ours."""
        ...

    async def page(
        self, size: int, after: InstallationId | None = None
    ) -> Sequence[tuple[InstallationId, Alias | None]]:
        """Installations in the order of their ids, at most so many of those that follow the given one; each with its newest alias."""
        ...

    async def newest(self, installations: Collection[InstallationId]) -> Mapping[InstallationId, KnownProvider]:
        """These, each with its newest generation."""
        ...


class Repairs(Protocol):
    """How often our fields had to be written again, so that nobody fights with us for ever."""

    async def contested(self, aliases: Collection[Alias], now: datetime) -> Mapping[Alias, frozenset[str]]:
        """By alias the fields that were repaired so often of late that they are not repaired again for now."""
        ...

    async def note(self, alias: Alias, fields: Collection[str], now: datetime) -> None:
        """These were just repaired."""
        ...

    async def call_for_people(self, alias: Alias, now: datetime) -> bool:
        """Ask for the alert that somebody else writes our fields; False where that was done a short time ago."""
        ...

    async def forget(self, repaired_before: datetime) -> int:
        """Delete what was noted before then; how many."""
        ...


class Turns(Protocol):
    """Who may do what only one process at a time may do. Leases go by the database's clock."""

    async def take(self, name: str, owner: str, lease: timedelta, *, every: timedelta = timedelta()) -> bool:
        """Whether it is this owner's turn now: nobody else's lease runs, and the last turn that was done ended `every` ago at least."""
        ...

    async def renew(self, name: str, owner: str, lease: timedelta) -> bool:
        """Keep it for so long from now; False where the lease has run out."""
        ...

    async def give_back(self, name: str, owner: str, *, is_done: bool) -> None:
        """It is over. Not done: it may be taken again at once."""
        ...
