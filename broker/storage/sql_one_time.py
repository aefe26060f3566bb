"""One-time values: states, codes, proofs, and the `jti` of assertions that were taken.

Kept as a hash: who reads the database can't bring a value back that is on its way through a browser.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, delete, exists, select, update

from broker.ports import Json, OneTimeKind
from broker.storage.database import Database
from broker.storage.dialects import insert_new
from broker.storage.schema import one_time as table
from broker.storage.sealing import Sealer, place_of


class SqlOneTimeValues:
    """Port `OneTimeValues`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        """Contents are sealed."""
        self._database = database
        self._sealer = sealer

    async def save(
        self, kind: OneTimeKind, value: str, content: Json, expires_at: datetime, *, holder: str | None = None
    ) -> bool:
        """As the port says; one that was used, or has expired, is known until it is deleted."""
        row = sealed_row(self._sealer, kind, value, content, expires_at, holder=holder)
        return await self._database.write(lambda connection: insert_new(connection, table, ("kind", "digest"), row))

    async def find(self, kind: OneTimeKind, value: str, now: datetime) -> Json | None:
        """As the port says."""
        which = _which(kind, value, now)
        return self._open(kind, value, await self._database.read(lambda connection: connection.scalar(_FIND, which)))

    async def recall(self, kind: OneTimeKind, value: str, now: datetime) -> Json | None:
        """As the port says."""
        which = _which(kind, value, now)
        return self._open(kind, value, await self._database.read(lambda connection: connection.scalar(_RECALL, which)))

    async def consume(self, kind: OneTimeKind, value: str, now: datetime) -> Json | None:
        """As the port says."""
        # One statement tests and marks, so that of two consumers at once the second finds it marked.
        which = _which(kind, value, now)
        return self._open(kind, value, await self._database.write(lambda connection: connection.scalar(_USE, which)))

    async def has_open(self, kind: OneTimeKind, holder: str, now: datetime) -> bool:
        """As the port says."""
        is_open = (table.c.kind == kind.value, table.c.holder == holder, ~table.c.is_consumed, table.c.expires_at > now)
        query = select(exists().where(*is_open))
        return bool(await self._database.read(lambda connection: connection.scalar(query)))

    async def delete_expired(self, now: datetime) -> int:
        """As the port says."""
        forget = delete(table).where(table.c.expires_at <= now)
        return await self._database.write(lambda connection: connection.execute(forget).rowcount)

    def _open(self, kind: OneTimeKind, value: str, sealed: bytes | None) -> Json | None:
        return None if sealed is None else opened(self._sealer, kind, value, sealed)


def sealed_row(
    sealer: Sealer, kind: OneTimeKind, value: str, content: Json, expires_at: datetime, *, holder: str | None = None
) -> dict[str, Any]:
    """The row of a value."""
    digest = digest_of(value)
    return {
        "kind": kind.value,
        "digest": digest,
        "content": sealer.seal(json.dumps(content).encode(), place=_place(kind, digest)),
        "expires_at": expires_at,
        "is_consumed": False,
        "holder": holder,
    }


def opened(sealer: Sealer, kind: OneTimeKind, value: str, sealed: bytes) -> Json:
    """The content of a row."""
    content: Json = json.loads(sealer.open(sealed, place=_place(kind, digest_of(value))))
    return content


# Statements are built once: to build one costs more than to run it, and a sign-on runs a dozen of these.

_IS_VALID = and_(
    table.c.kind == bindparam("a_kind"), table.c.digest == bindparam("a_digest"), table.c.expires_at > bindparam("at")
)
_FIND = select(table.c.content).where(_IS_VALID, ~table.c.is_consumed)
_RECALL = select(table.c.content).where(_IS_VALID, table.c.is_consumed)
_USE = update(table).where(_IS_VALID, ~table.c.is_consumed).values(is_consumed=True).returning(table.c.content)


def _which(kind: OneTimeKind, value: str, now: datetime) -> dict[str, Any]:
    return {"a_kind": kind.value, "a_digest": digest_of(value), "at": now}


def digest_of(value: str) -> str:
    """How a value is kept."""
    return hashlib.sha256(value.encode()).hexdigest()


def _place(kind: OneTimeKind, digest: str) -> str:
    return place_of("one_time", "content", kind.value, digest)
