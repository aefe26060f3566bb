"""Several people at one browser, in bad moments: nobody is ever in as somebody else, and nobody gets round a closed door."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from broker.model.names import AccountId, InstallationId
from broker.model.sign_on import SignOn
from demo.app import DownstreamApp
from demo.browser import Browser
from demo.talkdesk import ACME, ANA, BRUNO, CARLA, GLOBEX, Installation, User
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough

AUTH = "/realms/talkdesk/protocol/openid-connect/auth"
CALLBACK = "/talkdesk/callback"


async def at_the_app_with_a_hint(world: World, browser: Browser, app: DownstreamApp, alias: str | None) -> None:
    """What a person can do who knows the alias: sign in at the app, with the hint behind Keycloak's address."""
    auth = await browser.open(app.start_url, stop_before=AUTH)
    await browser.open(f"{auth.url}&kc_idp_hint={alias}")


async def until(world: World, browser: Browser, installation: Installation, user: User, path: str) -> str:
    """Launch, and close the tab before it gets to `path`; the address that is left."""
    url = world.talkdesk.launch_url(installation, user)
    return (await browser.open(url, on=world.talkdesk.url, stop_before=path)).url


async def test_a_callback_that_comes_late_does_not_pass_for_the_next_persons_launch(world: World) -> None:
    """Ana's tab comes back to life after Bruno has clicked: he is in as himself."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    anas_callback = await until(world, browser, installation, ANA, CALLBACK)
    world.talkdesk.sign_in(browser, BRUNO)
    brunos_auth = await until(world, browser, installation, BRUNO, AUTH)
    await browser.open(anas_callback)
    await browser.open(brunos_auth)
    assert users_of(world.wallboard) == [BRUNO.id]


async def test_a_proof_works_for_its_own_launch_only(world: World) -> None:
    """The cookie alone is not enough: the request has to be the launch's."""
    installation = await world.install(ACME)
    browser = world.browser(BRUNO)
    await world.launch(browser, installation, BRUNO)
    world.talkdesk.sign_in(browser, ANA)
    callback = await until(world, browser, installation, ANA, CALLBACK)
    proven = await browser.open(callback, stop_before=AUTH)
    assert "talkdesk_proof=" in proven.url, "Ana is proven, and the tab is closed"
    await browser.submit(f"{world.wallboard.url}/logout", {})
    assert users_of(world.wallboard) == []
    world.talkdesk.sign_in(browser, BRUNO)
    await at_the_app_with_a_hint(world, browser, world.wallboard, await world.alias(installation))
    assert users_of(world.wallboard) == [BRUNO.id]


@pytest.mark.parametrize("hint", [BRUNO.id, "", "nobody"])
async def test_a_link_with_the_victims_own_installation_ends_nothing_before_the_proof(world: World, hint: str) -> None:
    """An attacker's page opens it in Ana's browser, for Bruno or for whom it likes: until Talkdesk has spoken her session lives, everywhere."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    session = world.wallboard.signed_in[0].sid
    query = urlencode({"talkdesk_installation_id": installation.id, "talkdesk_user_id": hint})
    link = f"{world.broker.url}/talkdesk/launch?{query}"
    before = await browser.open(link, on="https://attacker.example", stop_before=CALLBACK)
    assert before.url.startswith(f"{world.broker.url}{CALLBACK}"), "Talkdesk is asked who is there"
    await world.open_app(browser, world.notes)
    assert [each.sid for each in (*world.wallboard.signed_in, *world.notes.signed_in)] == [session, session]
    world.talkdesk.refuse_next_authorization()
    page = await browser.open(link, on="https://attacker.example")
    assert page.status == 403
    assert [each.sid for each in (*world.wallboard.signed_in, *world.notes.signed_in)] == [session, session]


async def test_who_signs_out_on_the_way_is_not_signed_on(world: World) -> None:
    """The callback waits in a closed laptop while Ana signs out of Talkdesk."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    callback = await until(world, browser, installation, ANA, CALLBACK)
    await world.talkdesk.user_logout(ANA)
    page = await browser.open(callback)
    assert page.status == 403
    assert "signed out of Talkdesk" in page.text
    assert users_of(world.wallboard) == []


async def test_an_account_that_was_taken_off_the_list_is_out_of_every_way_in(opened: OpenWorld) -> None:
    """Also of an app's own log-in with the hint."""
    async with opened(settings={"accounts": "listed"}, config=f'\n[[accounts]]\nid = "{ACME.id}"\n') as world:
        installation = await world.install(ACME)
        await world.broker.stop()
        world.broker.config = world.broker.config.model_copy(update={"accounts": ()})
        await world.broker.start()
        browser = world.browser(ANA)
        assert (await world.launch(browser, installation, ANA)).status == 403
        await at_the_app_with_a_hint(world, browser, world.wallboard, await world.alias(installation))
        assert users_of(world.wallboard) == []


async def test_an_app_that_was_taken_out_of_the_configuration_signs_nobody_on(world: World) -> None:
    """Its identity provider may still be there."""
    installation = await world.install(ACME, "Notes")
    await world.broker.stop()
    config = world.broker.config
    world.broker.config = config.model_copy(update={"apps": config.apps[:1]})
    await world.broker.start()
    browser = world.browser(ANA)
    assert (await world.launch(browser, installation, ANA)).status == 404
    await at_the_app_with_a_hint(world, browser, world.wallboard, await world.alias(installation))
    assert users_of(world.wallboard) == []


async def test_a_link_does_not_decide_where_a_browser_resumes(world: World) -> None:
    """Only a launch that ended in its app is remembered."""
    acme, globex = await world.install(ACME), await world.install(GLOBEX)
    browser = world.browser(ANA)
    await world.launch(browser, acme, ANA)
    world.talkdesk.refuse_next_authorization()
    assert (await world.launch(browser, globex, CARLA)).status == 403
    page = await browser.open(f"{world.broker.url}/launch/resume")
    assert page.url == f"{world.wallboard.url}/"


async def test_an_account_with_a_long_history_is_ended_to_the_last(world: World) -> None:
    """More sign-ons than are told at a time; what was told is noted on the way, so that a cut-off does not begin anew."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    sign_ons = world.broker.opened.stores.sign_ons

    async def left(most: int) -> Sequence[SignOn]:
        account, now = AccountId(ACME.id), world.talkdesk.state.clock()
        return await sign_ons.of_account(account, now, InstallationId(installation.id), most)

    (known,) = await left(10)
    for number in range(450):
        assert await sign_ons.save(replace(known, id=f"old-{number}", sid=f"old-{number}"))
    await world.talkdesk.uninstall(installation)
    await world.signed_out(world.wallboard)

    async def nobody_is_left() -> bool:
        return not await left(1)

    await eventually(nobody_is_left, what="all are told")
