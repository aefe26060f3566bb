"""Where a broker process keeps its data: a SQLite file, or a database of a PostgreSQL server; and a look into it from outside.

Owns: the settings that say where, and reading with plain SQL. Leaves to others: what has to be in it.
"""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import NullPool, create_engine, text

from broker.storage.database import open_database, upgrade
from broker.storage.sealing_keys import load_keys
from broker.storage.stores import Stores, open_stores
from tests.prepared import copy_into

_SEALING_KEYS = f"test:{base64.b64encode(bytes(range(32))).decode()}"


@dataclass(frozen=True)
class KeptData:
    """A database with the schema of this version, as several processes may share it."""

    url: str
    settings: Mapping[str, str]
    """Environment of a broker that is to use it."""

    def rows(self, query: str) -> Sequence[Any]:
        """What a query finds, on a connection of its own: whoever writes is not waited for."""
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            return connection.execute(text(query)).all()

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[Stores]:
        """The stores, as one more process has them."""
        database = open_database(self.url)
        keys, folder = self.settings.get("BROKER_SEALING_KEYS"), Path(self.settings["BROKER_DATA_DIR"])
        try:
            yield open_stores(database, load_keys(text=keys, made_below=folder), lambda: datetime.now(UTC))
        finally:
            await database.close()


def kept_in_sqlite(folder: Path) -> KeptData:
    """A file below the folder."""
    copy_into(folder)
    return KeptData(f"sqlite:///{folder / 'broker.sqlite3'}", {"BROKER_DATA_DIR": str(folder)})


async def kept_in_postgresql(url: str, folder: Path) -> KeptData:
    """An empty database, which is given the schema; the folder is for what the broker makes beside it."""
    database = open_database(url)
    await upgrade(database)
    await database.close()
    return KeptData(
        url,
        {"BROKER_DATABASE_URL": url, "BROKER_SEALING_KEYS": _SEALING_KEYS, "BROKER_DATA_DIR": str(folder)},
    )
