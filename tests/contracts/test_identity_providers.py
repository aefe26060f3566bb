"""The in-memory twin and the imitation of Keycloak keep the contract of `IdentityProviders`; the real one is judged in `tests/acceptance`."""

from collections.abc import AsyncIterator

import pytest

from broker.outbound import http_client
from broker.ports import IdentityProviders
from broker.realm.connection import RealmConnection
from broker.realm.identity_providers import KeycloakIdentityProviders
from broker.realm.in_memory import InMemoryIdentityProviders
from tests.contracts.identity_providers import IdentityProvidersContract
from tests.fakes.keycloak import BrokerClients, KeycloakImitation


class TestInMemory(IdentityProvidersContract):
    """The twin."""

    @pytest.fixture
    def providers(self) -> IdentityProviders:
        """An empty realm."""
        return InMemoryIdentityProviders()


class TestImitation(IdentityProvidersContract):
    """The adapter, on the imitated wire."""

    @pytest.fixture
    async def providers(self) -> AsyncIterator[IdentityProviders]:
        """A realm without identity providers."""
        clients = BrokerClients()
        async with KeycloakImitation(clients) as keycloak, http_client() as client:
            connection = RealmConnection(keycloak.url, "talkdesk", "talkdesk-broker", clients.broker_secret, client)
            yield KeycloakIdentityProviders(connection)
