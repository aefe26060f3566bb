"""The databases that every proof is made on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.crashes.surroundings import Surroundings, surroundings
from tests.kept_data import kept_in_postgresql, kept_in_sqlite


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def around(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Surroundings]:
    """Everything but the broker, on each kind of database."""
    if request.param == "sqlite":
        data = kept_in_sqlite(tmp_path)
    else:
        server = request.getfixturevalue("postgresql")
        data = await kept_in_postgresql(server.make_database().render_as_string(hide_password=False), tmp_path)
    async with surroundings(tmp_path, data) as made:
        yield made
