"""Private keys of the issuers, sealed. Their `kid` is the thumbprint (RFC 7638), so a key never changes under its name."""

import json
from collections.abc import Sequence

from joserfc.jwk import JWKRegistry
from sqlalchemy import Connection, select

from broker.ports import Json
from broker.storage.database import Database
from broker.storage.dialects import insert_new
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
        kid = JWKRegistry.import_key(jwk).thumbprint()
        sealed = self._sealer.seal(json.dumps({**jwk, "kid": kid}).encode(), place=_place(kid))

        def work(connection: Connection) -> Sequence[Json]:
            # All that start together offer the first position; one gets it.
            insert_new(connection, table, ("position",), {"position": 1, "kid": kid, "jwk": sealed})
            return self._all(connection)

        return await self._database.write(work)

    def _all(self, connection: Connection) -> Sequence[Json]:
        rows = connection.execute(select(table).order_by(table.c.position.desc())).all()
        return [json.loads(self._sealer.open(row.jwk, place=_place(row.kid))) for row in rows]


def _place(kid: str) -> str:
    return place_of("issuer_key", "jwk", kid)
