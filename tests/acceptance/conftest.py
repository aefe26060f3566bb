"""What the acceptance tests share: a real Keycloak, and worlds around it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.keycloak_server import RunningKeycloak, running_keycloak
from tests.world import OpenWorld, Realm, World, open_world


@pytest.fixture(scope="session")
def keycloak() -> Iterator[RunningKeycloak]:
    """A real Keycloak with our realm; one for all tests of a run."""
    with running_keycloak() as keycloak:
        yield keycloak


@pytest.fixture
def opened(tmp_path: Path, keycloak: RunningKeycloak) -> OpenWorld:
    """Opens a world; takes what `open_world` takes."""

    @asynccontextmanager
    async def open_it(realm: Realm | None = None, **given: Any) -> AsyncIterator[World]:
        async with open_world(tmp_path, realm or keycloak, **given) as world:
            yield world

    return open_it


@pytest.fixture
async def world(opened: OpenWorld) -> AsyncIterator[World]:
    """A world as it is by default."""
    async with opened() as world:
        yield world
