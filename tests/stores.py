"""Real stores on a SQLite file of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from broker.storage.database import open_database, upgrade
from broker.storage.sealing_keys import load_keys
from broker.storage.stores import Stores, open_stores


@asynccontextmanager
async def opened_stores(folder: Path) -> AsyncIterator[Stores]:
    """Stores below a folder; opened again, they have what was kept."""
    database = open_database(f"sqlite:///{folder / 'broker.sqlite3'}")
    try:
        await upgrade(database)
        yield open_stores(database, load_keys(made_below=folder), lambda: datetime.now(UTC))
    finally:
        await database.close()
