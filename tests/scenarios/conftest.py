"""The world with an imitated Keycloak."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from demo.app import DownstreamApp
from tests.fakes.keycloak import KeycloakImitation
from tests.world import OpenWorld, Realm, World, open_world


class ImitatedRealm:
    """The imitation as a `Realm` of a world."""

    def __init__(self, keycloak: KeycloakImitation) -> None:
        self.keycloak = keycloak
        self.url = self.internal_url = keycloak.url
        self.realm_url = keycloak.realm_url
        self.broker_secret = "secret-of-broker"
        self.launch_secret = "secret-of-launch"

    async def point_to(self, broker_url: str) -> None:
        """As the port says."""
        self.keycloak.set_launch_redirect_uris(f"{broker_url}/launch/return")

    async def register_app(self, app: DownstreamApp, logout_url: str | None = None) -> None:
        """As the port says."""
        url = logout_url or app.backchannel_logout_url
        self.keycloak.register_app(
            app.client_id,
            app.client_secret,
            (app.redirect_uri,),
            url,
            (f"{app.url}/",),
            more_notes=("identity_provider",),
        )

    async def expire_sessions(self) -> None:
        """As the port says."""
        self.keycloak.expire_sessions()

    async def switch(self, alias: str, *, enabled: bool) -> None:
        """As the port says."""
        self.keycloak.identity_providers[alias].sent["enabled"] = enabled

    async def delete_provider(self, alias: str) -> None:
        """As the port says."""
        self.keycloak.delete_provider(alias)

    async def delete_mappers(self, alias: str) -> None:
        """As the port says."""
        self.keycloak.identity_providers[alias].mappers.clear()


@pytest.fixture
async def keycloak() -> AsyncIterator[KeycloakImitation]:
    """An imitated Keycloak."""
    async with KeycloakImitation() as keycloak:
        yield keycloak


@pytest.fixture
def opened(tmp_path: Path, keycloak: KeycloakImitation) -> OpenWorld:
    """Opens a world; takes what `open_world` takes."""

    @asynccontextmanager
    async def open_it(realm: Realm | None = None, **given: Any) -> AsyncIterator[World]:
        async with open_world(tmp_path, realm or ImitatedRealm(keycloak), **given) as world:
            yield world

    return open_it


@pytest.fixture
async def world(opened: OpenWorld) -> AsyncIterator[World]:
    """A world as it is by default."""
    async with opened() as world:
        yield world
