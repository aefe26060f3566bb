"""Databases that the stores are judged on. Another one is another parameter of `backend`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.storage.database import Database, upgrade
from broker.storage.stores import Stores
from tests.contracts.stores import Backend, SqliteBackend, stores_on


@pytest.fixture(params=[SqliteBackend])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    """An empty database of each kind that is supported."""
    made: Backend = request.param(tmp_path)
    return made


@pytest.fixture
async def database(backend: Backend) -> AsyncIterator[Database]:
    """The database, open, with the schema of this version."""
    opened = backend.open()
    await upgrade(opened)
    yield opened
    await opened.close()


@pytest.fixture
def stores(database: Database) -> Stores:
    """All stores on the database."""
    return stores_on(database)


@pytest.fixture
async def other_stores(backend: Backend, stores: Stores) -> AsyncIterator[Stores]:
    """The stores of a second process on the same database, as far as the database can tell."""
    opened = backend.open()
    yield stores_on(opened)
    await opened.close()
