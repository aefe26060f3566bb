"""Ports of the deployment itself: its id, its issuers' keys, and how long things are kept."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from broker.ports.basics import Json


class Meta(Protocol):
    """Facts about this deployment."""

    async def instance_id(self) -> str:
        """Id of this broker's database, made once; marks our identity providers in the realm."""
        ...


class IssuerKeys(Protocol):
    """Private keys of the issuers, sealed."""

    async def all(self) -> Sequence[Json]:
        """Private JWKs: the one that signs now, then all others that are to be published, newest first."""
        ...

    async def add_first(self, jwk: Json) -> Sequence[Json]:
        """Keep this key if there is none yet; the keys as in `all`. Several processes that start together get the same."""
        ...

    async def add_next(self, jwk: Json, after: timedelta) -> bool:
        """Publish this one too, and let it sign `after` from now; False, and nothing is kept, where one waits already."""
        ...

    async def forget_replaced(self, before: timedelta) -> int:
        """Delete those whose successor has signed for so long at least; how many."""
        ...


class Retention(Protocol):
    """Lets go of what was kept for a time only.

    What makes an event count once stays for ever: its key, and the facts that it stated, the end of an installation among them.
    """

    async def forget(self, before: datetime, most: int) -> int:
        """Erase bodies of events received before then, delete tasks done and failures that are older; at most so many of each. How many."""
        ...
