"""A realm with one identity provider and one app, for the tests of the imitation."""

from collections.abc import AsyncIterator

import pytest_asyncio

from demo.browser import Browser
from tests.fakes.keycloak import KeycloakImitation
from tests.fakes.keycloak.model import Provider
from tests.scenarios.keycloak_imitation.counterparts import NO_TLS, NOTES, Clock, Counterparts, Json


@pytest_asyncio.fixture
async def desk() -> AsyncIterator[Counterparts]:
    """A realm with one identity provider and one app; what stands on either side is real."""
    clock = Clock()
    async with KeycloakImitation(clock=clock) as keycloak, Counterparts(keycloak, clock) as desk:
        mapper: Json = {
            "id": "1",
            "name": "talkdesk",
            "identityProviderMapper": "oidc-user-session-note-idp-mapper",
            "config": {"claims": NOTES, "are.claim.values.regex": "true"},
        }
        keycloak.add_provider(Provider(desk.representation(), mappers={"1": mapper}))
        yield desk


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser without cookies."""
    async with Browser(tls=NO_TLS) as browser:
        yield browser
