"""Databases that the stores are judged on: every test of a store runs on each of them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from broker.storage.database import Database
from broker.storage.stores import Stores
from tests.contracts.stores import Backend, PostgresqlBackend, SqliteBackend, stores_on


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """An empty database of each kind that is supported."""
    if request.param == "sqlite":
        yield SqliteBackend(tmp_path)
        return
    made = PostgresqlBackend(request.getfixturevalue("postgresql"))
    yield made
    made.drop()


@pytest.fixture
async def database(backend: Backend) -> AsyncIterator[Database]:
    """The database, open, with the schema of this version."""
    await backend.upgrade()
    opened = backend.open()
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
