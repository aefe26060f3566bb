"""Mode existing on a real Keycloak: the same words as in the scenarios, and what only a real one does."""

from collections.abc import AsyncIterator

import pytest

from broker.outbound import http_client
from broker.ports import RealmUsers
from broker.realm.connection import RealmConnection
from broker.realm.users import KeycloakUsers
from demo.talkdesk import ACME, ANA
from tests.acceptance.existing.conftest import RealCompany
from tests.company import config
from tests.contracts.realm_users import RealmUsersContract
from tests.scenarios.existing.test_existing_users import *  # noqa: F403
from tests.scenarios.existing.test_existing_users import subs_at
from tests.world import OpenWorld, World


class TestKeycloak(RealmUsersContract):
    """The adapter against the real one, in a realm of its own for each test."""

    @pytest.fixture
    async def users(self, company: RealCompany) -> AsyncIterator[RealmUsers]:
        """With the service account."""
        async with http_client() as client:
            connection = RealmConnection(company.url, company.realm, "talkdesk-broker", company.broker_secret, client)
            yield KeycloakUsers(connection)


async def test_where_usernames_are_addresses_people_land_on_their_accounts_too(
    world: World, company: RealCompany
) -> None:
    """Keycloak looks for users by `email` only in such a realm; the address, and that nobody has verified it, stay."""
    await company.change(registrationEmailAsUsername=True)
    ana = await company.add_user(ANA.email, ANA.email)
    before = await company.everything_of(ana)
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    assert subs_at(world) == [ana]
    assert await company.everything_of(ana) == before


async def test_where_two_users_may_have_one_address_both_is_a_page(opened: OpenWorld, company: RealCompany) -> None:
    """Nobody guesses."""
    await company.change(loginWithEmailAllowed=False, duplicateEmailsAllowed=True)
    for name in ("one", "two"):
        await company.add_user(name, ANA.email)
    async with opened(realm=company, settings=company.settings, config=config()) as world:
        installation = await world.install(ACME)
        page = await world.launch(world.browser(ANA), installation, ANA)
        await assert_stopped(world, page, 403, "user_not_unique")  # noqa: F405


@pytest.fixture
async def asks_for_the_role(company: RealCompany) -> AsyncIterator[None]:
    """The subflow that comes disabled is made conditional, as an administrator does it."""
    flow = "authentication/flows/talkdesk%20first%20login/executions"
    async with company.admin() as admin:
        executions = (await admin.get(flow)).raise_for_status().json()
        (subflow,) = (each for each in executions if each["displayName"] == "talkdesk role")
        (await admin.put(flow, json=subflow | {"requirement": "CONDITIONAL"})).raise_for_status()
        yield
        (await admin.put(flow, json=subflow)).raise_for_status()


@pytest.mark.usefixtures("asks_for_the_role")
async def test_the_administrator_can_limit_it_to_a_role(world: World, company: RealCompany) -> None:
    """Without the role nothing is linked, with it all is as before."""
    ana = await company.add_user("a.sousa", ANA.email)
    installation = await world.install(ACME)
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.status == 401
    assert "You may not sign in here from Talkdesk." in page.text
    assert await company.links_of(ana) == {}
    async with company.admin() as admin:
        role = (await admin.get("roles/talkdesk-sign-on")).raise_for_status().json()
        (await admin.post(f"users/{ana}/role-mappings/realm", json=[role])).raise_for_status()
    await world.launch(world.browser(ANA), installation, ANA)
    assert subs_at(world) == [ana]
