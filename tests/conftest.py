"""What tests of several kinds share: a PostgreSQL server."""

from collections.abc import Iterator

import pytest

from tests.postgresql_server import PostgresqlServer, running_postgresql


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server, one for all tests of a run."""
    with running_postgresql() as server:
        yield server
