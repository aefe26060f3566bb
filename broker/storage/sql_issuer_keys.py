"""Private keys of the issuers, sealed. Their `kid` is the thumbprint (RFC 7638), so a key never changes under its name."""

import json
from collections.abc import Sequence
from datetime import timedelta

from joserfc.jwk import JWKRegistry
from sqlalchemy import Connection, delete, func, select

from broker.ports import Json
from broker.storage.database import Database
from broker.storage.dialects import db_now_ms, insert_new
from broker.storage.schema import issuer_key as table
from broker.storage.sealing import Sealer, place_of


class SqlIssuerKeys:
    """Port `IssuerKeys`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        """Keys are sealed."""
        self._database = database
        self._sealer = sealer

    async def all(self) -> Sequence[Json]:
        """As the port says."""
        return await self._database.read(self._all)

    async def add_first(self, jwk: Json) -> Sequence[Json]:
        """As the port says; the key gets its thumbprint as `kid`."""

        def work(connection: Connection) -> Sequence[Json]:
            # All that start together offer the first position; one gets it.
            self._insert(connection, jwk, position=1, signs_from=0)
            return self._all(connection)

        return await self._database.write(work)

    async def add_next(self, jwk: Json, after: timedelta) -> bool:
        """As the port says; of two that ask at once, one gets the position."""

        def work(connection: Connection) -> bool:
            now = _now(connection)
            newest = connection.execute(select(table).order_by(table.c.position.desc()).limit(1)).one_or_none()
            if newest is not None and newest.signs_from > now:
                return False
            position = newest.position + 1 if newest else 1
            return self._insert(connection, jwk, position=position, signs_from=now + after // timedelta(milliseconds=1))

        return await self._database.write(work)

    async def forget_replaced(self, before: timedelta) -> int:
        """As the port says."""

        def work(connection: Connection) -> int:
            since = _now(connection) - before // timedelta(milliseconds=1)
            newest = select(func.max(table.c.position)).where(table.c.signs_from <= since).scalar_subquery()
            return connection.execute(delete(table).where(table.c.position < newest)).rowcount

        return await self._database.write(work)

    def _insert(self, connection: Connection, jwk: Json, *, position: int, signs_from: int) -> bool:
        kid = JWKRegistry.import_key(jwk).thumbprint()
        sealed = self._sealer.seal(json.dumps({**jwk, "kid": kid}).encode(), place=_place(kid))
        row = {"position": position, "kid": kid, "jwk": sealed, "signs_from": signs_from}
        return insert_new(connection, table, ("position",), row)

    def _all(self, connection: Connection) -> Sequence[Json]:
        rows = connection.execute(select(table).order_by(table.c.position.desc())).all()
        now = _now(connection)
        # False sorts first: what waits for its turn comes after those that have signed, of which the newest signs.
        rows = sorted(rows, key=lambda row: row.signs_from > now)
        return [json.loads(self._sealer.open(row.jwk, place=_place(row.kid))) for row in rows]


def _now(connection: Connection) -> int:
    return connection.execute(select(db_now_ms())).scalar_one()


def _place(kid: str) -> str:
    return place_of("issuer_key", "jwk", kid)
