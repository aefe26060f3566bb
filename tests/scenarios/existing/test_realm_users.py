"""The adapter keeps the contract of `RealmUsers` on the imitation, and what Keycloak refuses becomes a page."""

from collections.abc import AsyncIterator

import pytest

from broker.outbound import http_client
from broker.ports import RealmUsers
from broker.realm.connection import RealmConnection
from broker.realm.users import KeycloakUsers
from demo.talkdesk import ACME, ANA
from tests.company import Company
from tests.contracts.realm_users import RealmUsersContract
from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.existing.test_existing_users import assert_stopped
from tests.world import World

pytestmark = pytest.mark.thorough

USERS = "/admin/realms/talkdesk/users"


class TestImitation(RealmUsersContract):
    """The adapter against the imitation."""

    @pytest.fixture
    async def users(self, company: Company) -> AsyncIterator[RealmUsers]:
        """With the service account."""
        async with http_client() as client:
            connection = RealmConnection(company.url, "talkdesk", "talkdesk-broker", company.broker_secret, client)
            yield KeycloakUsers(connection)


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_without_an_answer_from_keycloak_nobody_is_signed_on(
    world: World, company: Company, keycloak: KeycloakImitation, status: int
) -> None:
    """An answer that is none, a role that is missing, a Keycloak that fails: our page."""
    await company.add_user("a.sousa", ANA.email)
    installation = await world.install(ACME)
    keycloak.fail(USERS, status, times=10)
    page = await world.launch(world.browser(ANA), installation, ANA)
    await assert_stopped(world, page, 502, "keycloak_failed")


async def test_a_known_person_costs_two_questions(world: World, company: Company, keycloak: KeycloakImitation) -> None:
    """The link and its check: nothing that grows, whoever else is in the realm."""
    await company.add_user("a.sousa", ANA.email)
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    before = len(keycloak.requests)
    await world.launch(world.browser(ANA), installation, ANA)
    asked = [request.path for request in keycloak.requests[before:] if request.path.startswith("/admin/")]
    assert asked == [USERS, f"{USERS}/{world.wallboard.signed_in[0].sub}/federated-identity"]
