"""Real stores on a SQLite file of the test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from broker.storage.database import open_database
from broker.storage.sealing_keys import load_keys
from broker.storage.stores import Stores, open_stores
from tests.prepared import copy_into


@asynccontextmanager
async def opened_stores(folder: Path) -> AsyncIterator[Stores]:
    """Stores below a folder; opened again, they have what was kept."""
    copy_into(folder)
    database = open_database(f"sqlite:///{folder / 'broker.sqlite3'}")
    try:
        yield open_stores(database, load_keys(made_below=folder), lambda: datetime.now(UTC))
    finally:
        await database.close()
