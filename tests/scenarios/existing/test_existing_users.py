"""Mode existing: people land on the accounts that they have in a realm that somebody else owns, or on our page, and nothing of those changes.

The acceptance tests run the same words on a real Keycloak.
"""

from dataclasses import replace

import pytest

from demo.browser import Browser, Page
from demo.talkdesk import ACME, ANA, BRUNO, CARLA, GLOBEX, User
from tests.company import USER_ID_ATTRIBUTE, Company, config, sign_in_at
from tests.scenarios.test_sign_on import assert_recorded_page
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough


def with_address(world: World, user: User, email: str) -> User:
    """A customer's administrator gives somebody another address in Talkdesk."""
    changed = replace(user, email=email)
    accounts = world.talkdesk.state.accounts
    account = world.talkdesk.state.account_of(user)
    others = tuple(each for each in account.users if each != user)
    accounts[account.slug] = replace(account, users=(*others, changed))
    for installation in world.talkdesk.state.installations.values():
        installation.account = accounts[installation.account.slug]
    return changed


async def assert_stopped(world: World, page: Page, status: int, reason: str) -> None:
    """Our page, under this reason; nobody is in the app."""
    assert page.status == status, page.text
    assert page.url.startswith(world.broker.url)
    failure = await world.broker.opened.stores.failures.find(assert_recorded_page(page))
    assert failure is not None
    assert failure.reason == reason
    assert world.wallboard.signed_in == []


def subs_at(world: World) -> list[str]:
    """Keycloak users who are in the wallboard."""
    return [session.sub for session in world.wallboard.signed_in]


async def test_people_land_on_their_own_accounts_and_nothing_of_those_changes(world: World, company: Company) -> None:
    """Name, e-mail, whether it is verified, groups: at the first sign-on and at the next, which has all claims too."""
    ana = await company.add_user("a.sousa", ANA.email)
    before, users = await company.everything_of(ana), await company.usernames()
    installation = await world.install(ACME)
    for _ in range(2):
        browser = world.browser(ANA)
        page = await world.launch(browser, installation, ANA)
        assert page.url == f"{world.wallboard.url}/"
    for session in world.wallboard.signed_in:
        assert (session.sub, session.claims["talkdesk_user_id"]) == (ana, ANA.id)
        assert session.claims["talkdesk_email"] == ANA.email
    assert await company.everything_of(ana) == before
    assert await company.usernames() == users
    assert list(await company.links_of(ana)) == [await world.alias(installation)]


async def test_case_makes_no_difference_in_an_address(world: World, company: Company) -> None:
    """Keycloak keeps addresses in lower case, Talkdesk as somebody typed them."""
    ana = await company.add_user("a.sousa", ANA.email)
    shouting = with_address(world, ANA, ANA.email.replace("acme.example", "Acme.Example").replace("ana", "Ana"))
    installation = await world.install(world.talkdesk.state.accounts["acme"])
    await world.launch(world.browser(shouting), installation, shouting)
    assert subs_at(world) == [ana]


async def test_two_apps_of_an_account_are_one_user(world: World, company: Company) -> None:
    """Both identity providers are linked to it."""
    ana = await company.add_user("a.sousa", ANA.email)
    for app in ("Wallboard", "Notes"):
        await world.launch(world.browser(ANA), await world.install(ACME, app), ANA)
    assert subs_at(world) == [ana]
    assert [session.sub for session in world.notes.signed_in] == [ana]
    assert len(await company.links_of(ana)) == 2


@pytest.mark.parametrize("app", ["Wallboard", "Notes"])
async def test_a_link_wins_over_an_address_that_was_changed_later(world: World, company: Company, app: str) -> None:
    """Ana is given Bruno's address in Talkdesk: she stays who she is, also in an app that she opens for the first time."""
    ana = await company.add_user("a.sousa", ANA.email)
    await company.add_user("b.costa", BRUNO.email)
    installations = {name: await world.install(ACME, name) for name in ("Wallboard", "Notes")}
    await world.launch(world.browser(ANA), installations["Wallboard"], ANA)
    changed = with_address(world, ANA, BRUNO.email)
    page = await world.launch(world.browser(changed), installations[app], changed)
    assert page.status == 200
    entered = world.wallboard if app == "Wallboard" else world.notes
    assert {session.sub for session in entered.signed_in} == {ana}


@pytest.mark.parametrize("app", ["Wallboard", "Notes"])
async def test_the_account_of_another_talkdesk_user_is_not_given_away(world: World, company: Company, app: str) -> None:
    """Bruno is given Ana's address in Talkdesk: a page, in every app, and her link stays as it is."""
    ana = await company.add_user("a.sousa", ANA.email)
    installations = {name: await world.install(ACME, name) for name in ("Wallboard", "Notes")}
    first = world.browser(ANA)
    await world.launch(first, installations["Wallboard"], ANA)
    links = await company.links_of(ana)
    await first.submit(f"{world.wallboard.url}/logout", {})
    changed = with_address(world, BRUNO, ANA.email)
    page = await world.launch(world.browser(changed), installations[app], changed)
    await assert_stopped(world, page, 403, "user_linked_elsewhere")
    assert world.notes.signed_in == []
    assert await company.links_of(ana) == links


async def test_nobody_of_that_address(world: World, company: Company) -> None:
    """Our page, and nobody is made."""
    await company.add_user("b.costa", BRUNO.email)
    users = await company.usernames()
    installation = await world.install(ACME)
    page = await world.launch(world.browser(ANA), installation, ANA)
    await assert_stopped(world, page, 403, "user_not_found")
    assert await company.usernames() == users


async def test_a_disabled_account_is_a_page_of_ours(world: World, company: Company) -> None:
    """At the first sign-on, and at a later one."""
    ana = await company.add_user("a.sousa", ANA.email, is_enabled=False)
    installation = await world.install(ACME)
    page = await world.launch(world.browser(ANA), installation, ANA)
    await assert_stopped(world, page, 403, "user_disabled")
    assert await company.links_of(ana) == {}
    bruno = await company.add_user("b.costa", BRUNO.email)
    browser = world.browser(BRUNO)
    await world.launch(browser, installation, BRUNO)
    assert subs_at(world) == [bruno]
    await browser.submit(f"{world.wallboard.url}/logout", {})
    await company.disable(bruno)
    page = await world.launch(world.browser(BRUNO), installation, BRUNO)
    await assert_stopped(world, page, 403, "user_disabled")


@pytest.mark.parametrize("email", [CARLA.email, "ana@sub.acme.example", "ana@acme.example.evil.example"])
async def test_an_address_outside_the_accounts_domains_names_nobody(world: World, company: Company, email: str) -> None:
    """An administrator of Acme gives an agent the address of somebody at Globex, who is in the realm."""
    stranger = await company.add_user("stranger", email)
    changed = with_address(world, ANA, email)
    installation = await world.install(world.talkdesk.state.accounts["acme"])
    page = await world.launch(world.browser(changed), installation, changed)
    await assert_stopped(world, page, 403, "email_not_allowed")
    assert await company.links_of(stranger) == {}


async def test_an_attribute_can_hold_the_talkdesk_user_id(opened: OpenWorld, company: Company) -> None:
    """No address is needed then; an id that two users have is a page, and one that differs in case is another's."""
    ana = await company.add_user("a.sousa", "a.sousa@elsewhere.example", attributes={USER_ID_ATTRIBUTE: ANA.id})
    await company.add_user("twin", None, attributes={USER_ID_ATTRIBUTE: ANA.id.upper()})
    for name in ("b.costa", "b.costa-2"):
        await company.add_user(name, None, attributes={USER_ID_ATTRIBUTE: BRUNO.id})
    async with opened(realm=company, settings=company.settings, config=config(USER_ID_ATTRIBUTE)) as world:
        installation = await world.install(ACME)
        page = await world.launch(world.browser(BRUNO), installation, BRUNO)
        await assert_stopped(world, page, 403, "user_not_unique")
        await world.launch(world.browser(ANA), installation, ANA)
        assert subs_at(world) == [ana]


async def test_a_username_can_be_the_address(opened: OpenWorld, company: Company) -> None:
    """In a realm where people sign in with it; whose e-mail it is says nothing then."""
    ana = await company.add_user(ANA.email, "a.sousa@elsewhere.example")
    await company.add_user("b.costa", BRUNO.email)
    async with opened(realm=company, settings=company.settings, config=config("username")) as world:
        installation = await world.install(ACME)
        page = await world.launch(world.browser(BRUNO), installation, BRUNO)
        await assert_stopped(world, page, 403, "user_not_found")
        await world.launch(world.browser(ANA), installation, ANA)
        assert subs_at(world) == [ana]


async def at_the_company(world: World, company: Company) -> tuple[str, Browser]:
    """Ana's id, and a browser in which she has signed in to the company, at the app Notes."""
    ana = await company.add_user("a.sousa", ANA.email)
    browser = world.browser(ANA)
    await sign_in_at(world.notes, world, browser, "a.sousa")
    assert [session.sub for session in world.notes.signed_in] == [ana]
    return ana, browser


async def test_who_is_signed_in_to_the_company_goes_on(world: World, company: Company) -> None:
    """The same person: in the app at once, in the session that is there, and without a link."""
    installation = await world.install(ACME)
    ana, browser = await at_the_company(world, company)
    page = await world.launch(browser, installation, ANA)
    assert page.url == f"{world.wallboard.url}/"
    assert subs_at(world) == [ana]
    assert world.wallboard.signed_in[0].sid == world.notes.signed_in[0].sid
    assert await company.links_of(ana) == {}


async def test_another_person_is_signed_in_to_the_company(world: World, company: Company) -> None:
    """A page that says so; the session is not ours, and lives on."""
    installation = await world.install(ACME)
    ana, browser = await at_the_company(world, company)
    await company.add_user("b.costa", BRUNO.email)
    world.talkdesk.sign_in(browser, BRUNO)
    page = await world.launch(browser, installation, BRUNO)
    await assert_stopped(world, page, 409, "session_not_ours")
    assert [session.sub for session in world.notes.signed_in] == [ana]
    page = await world.open_app(browser, world.wallboard)
    assert subs_at(world) == [ana]


async def test_a_sign_out_of_talkdesk_leaves_the_companys_session(world: World, company: Company) -> None:
    """Only what a sign-on from Talkdesk began ends."""
    installation = await world.install(ACME)
    _, at_work = await at_the_company(world, company)
    await world.launch(world.browser(ANA), installation, ANA)
    assert users_of(world.wallboard) == [ANA.id]
    await world.talkdesk.user_logout(ANA)
    await world.signed_out(world.wallboard)
    assert len(world.notes.signed_in) == 1
    page = await world.open_app(at_work, world.wallboard)
    assert page.url == f"{world.wallboard.url}/"


async def test_another_talkdesk_persons_session_is_ended(world: World, company: Company) -> None:
    """It is ours: one shared desk, two agents."""
    for name, user in (("a.sousa", ANA), ("b.costa", BRUNO)):
        await company.add_user(name, user.email)
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    world.talkdesk.sign_in(browser, BRUNO)
    await world.launch(browser, installation, BRUNO)
    await eventually(lambda: users_of(world.wallboard) == [BRUNO.id], what="Bruno is in and Ana is out")


async def test_two_customers_people_are_told_apart(world: World, company: Company) -> None:
    """Each account has its own domains."""
    ana = await company.add_user("a.sousa", ANA.email)
    carla = await company.add_user("c.oneill", CARLA.email)
    for account, user in ((ACME, ANA), (GLOBEX, CARLA)):
        await world.launch(world.browser(user), await world.install(account), user)
    assert {session.claims["talkdesk_account_id"]: session.sub for session in world.wallboard.signed_in} == {
        ACME.id: ana,
        GLOBEX.id: carla,
    }
