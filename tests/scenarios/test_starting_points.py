"""Where a sign-on may begin, beside what `test_sign_on` and `test_other_people` have: the right person without a click, or the page that helps.

docs/sign-on.md lists all of them; each runs on a real Keycloak too.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest

from broker.launch.start import MOST_ROUNDS
from demo.app import DownstreamApp
from demo.browser import Browser, Page
from demo.talkdesk import ACME, ANA, BRUNO, Endpoint, Installation
from tests.scenarios.test_licences import remove_ana
from tests.scenarios.test_other_people import AUTH
from tests.scenarios.test_sign_on import assert_recorded_page
from tests.scenarios.test_suspension import set_policy
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough

RETURNS = ["/talkdesk/callback", "/launch/return"]


async def reason_of(world: World, page: Page) -> str:
    """The reason that is on record under the page's reference."""
    failure = await world.broker.opened.stores.failures.find(assert_recorded_page(page))
    assert failure is not None
    return failure.reason


def was_at_keycloak(page: Page) -> bool:
    """Whether the browser was sent to Keycloak on the way."""
    return any(urlsplit(url).path.startswith("/realms/") for url in page.chain)


async def test_an_expired_session_is_made_anew(world: World) -> None:
    """The next morning: the cookies are still there, at Keycloak and at the app, and lead nowhere."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    await world.realm.expire_sessions()
    page = await world.launch(browser, installation, ANA)
    assert page.url == f"{world.wallboard.url}/"
    assert "Ana" in page.text


async def test_an_apps_own_cookie_of_another_person_opens_nothing(world: World) -> None:
    """Ana's session at Keycloak expired, of which no app hears; the app still has her cookie when Bruno clicks."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    await world.realm.expire_sessions()
    assert "Ana" in (await browser.open(world.wallboard.url)).text, "the app keeps a session of its own"
    world.talkdesk.sign_in(browser, BRUNO)
    page = await world.launch(browser, installation, BRUNO)
    assert "Bruno" in page.text
    assert "Bruno" in (await browser.open(world.wallboard.url)).text


async def test_two_tabs_do_not_spoil_each_other(world: World) -> None:
    """One waits at Talkdesk's answer while the other goes all the way, and then goes on."""
    wallboard, notes = await world.install(ACME), await world.install(ACME, "Notes")
    browser = world.browser(ANA)
    url = world.talkdesk.launch_url(wallboard, ANA)
    waiting = await browser.open(url, on=world.talkdesk.url, stop_before="/launch/return")
    assert (await world.launch(browser, notes, ANA)).url == f"{world.notes.url}/"
    assert (await browser.open(waiting.url)).url == f"{world.wallboard.url}/"
    assert (users_of(world.wallboard), users_of(world.notes)) == ([ANA.id], [ANA.id])


@pytest.mark.parametrize("path", RETURNS)
async def test_a_reload_on_the_way_launches_again(world: World, path: str) -> None:
    """What came is used up, so the launch starts anew: no error, and no record of one."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    url = world.talkdesk.launch_url(installation, ANA)
    on_the_way = (await browser.open(url, on=world.talkdesk.url, stop_before=path)).url
    await browser.open(on_the_way)
    page = await browser.open(on_the_way)
    assert page.url == f"{world.wallboard.url}/"
    assert users_of(world.wallboard) == [ANA.id]
    assert await world.broker.opened.stores.failures.streak(installation.id) is None


async def test_a_reload_of_an_error_page_tries_again(world: World) -> None:
    """Talkdesk stumbled; the person reloads what they see."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    world.talkdesk.faults.next(Endpoint.TOKEN, 500)
    failed = await world.launch(browser, installation, ANA)
    assert await reason_of(world, failed) == "talkdesk_failed"
    assert (await browser.open(failed.url)).url == f"{world.wallboard.url}/"


async def test_try_again_on_the_page_launches_again(world: World) -> None:
    """Its link is a launch of the same installation."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    world.talkdesk.faults.next(Endpoint.USERINFO, 503)
    failed = await world.launch(browser, installation, ANA)
    link = failed.text.partition('class="button" href="')[2].partition('"')[0].replace("&amp;", "&")
    page = await browser.open(f"{world.broker.url}{link}", on=world.broker.url)
    assert page.url == f"{world.wallboard.url}/"


async def test_a_launch_inside_another_page_is_told_to_open_a_tab(world: World) -> None:
    """Browsers keep our cookies out of there: a page that may be shown inside, with a link that leads out; on record."""
    installation = await world.install(ACME)
    url = world.talkdesk.launch_url(installation, ANA)
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(url, headers={"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403
    assert "Open in a new tab" in answer.text
    assert 'target="_blank"' in answer.text
    assert "set-cookie" not in answer.headers
    assert "x-frame-options" not in answer.headers
    assert "frame-ancestors" not in answer.headers["content-security-policy"]
    reference = answer.text.partition('<dd class="reference">')[2].partition("</dd>")[0]
    failure = await world.broker.opened.stores.failures.find(reference)
    assert failure is not None
    assert (failure.reason, failure.installation) == ("inside_a_frame", installation.id)


# --- Starting at the app ------------------------------------------------------------------------------


async def test_who_begins_at_the_app_is_in_without_a_click(world: World) -> None:
    """A bookmark, the morning after: Keycloak knows nobody, its page goes on to the broker, and that launches."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    await world.realm.expire_sessions()
    page = await world.open_app(browser, world.wallboard)
    assert page.url == f"{world.wallboard.url}/"
    assert "Ana" in page.text
    assert any(urlsplit(url).path == "/launch/resume" for url in page.chain)


async def test_who_begins_at_the_app_in_a_new_browser_is_told_where_to_go(world: World) -> None:
    """Nothing was launched here: "go to Talkdesk", under a reference."""
    await world.install(ACME)
    page = await world.open_app(world.browser(ANA), world.wallboard)
    assert page.status == 404
    assert await reason_of(world, page) == "nothing_to_resume"
    assert "Go to Talkdesk" in page.text


async def test_an_app_that_sends_people_round_in_circles_is_stopped(world: World) -> None:
    """A few tabs of the morning after are no circle; one more is, and gets a page."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    resume = f"{world.broker.url}/launch/resume"
    for _ in range(MOST_ROUNDS):
        assert (await browser.open(resume)).url == f"{world.wallboard.url}/"
    page = await browser.open(resume)
    assert page.status == 409
    assert await reason_of(world, page) == "resumed_in_a_circle"


async def at_the_app(browser: Browser, app: DownstreamApp, **asked: str) -> Page:
    """Begin at the app, which asks Keycloak for this, too."""
    auth = await browser.open(app.start_url, stop_before=AUTH)
    more = "".join(f"&{name}={value}" for name, value in asked.items())
    return await browser.open(f"{auth.url}{more}")


async def test_an_app_that_sends_the_hint_itself_needs_no_launch(world: World) -> None:
    """It remembers the alias of its last sign-on: straight through Talkdesk and back to where it was, its own state kept."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    page = await at_the_app(browser, world.wallboard, kc_idp_hint=str(await world.alias(installation)))
    assert page.url == f"{world.wallboard.url}/"
    assert users_of(world.wallboard) == [ANA.id]
    assert not any(urlsplit(url).path.startswith("/launch") for url in page.chain)


async def test_an_app_that_remembers_its_alias_keeps_its_deep_link(world: World) -> None:
    """The morning after, from a bookmark deep in the app: Ana ends exactly there, and no launch is in between."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    await world.realm.expire_sessions()
    world.wallboard.sessions.end_all(sid=None, sub=world.wallboard.signed_in[0].sub)
    page = await browser.open(f"{world.wallboard.url}/boards/7")
    assert page.url == f"{world.wallboard.url}/boards/7"
    assert "Ana" in page.text
    assert not any(urlsplit(url).path.startswith("/launch") for url in page.chain)


async def test_a_hint_that_an_app_remembers_too_long_does_no_harm(world: World) -> None:
    """The alias is gone: Keycloak's page goes on to the broker, as without a hint."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    await world.realm.expire_sessions()
    page = await at_the_app(browser, world.wallboard, kc_idp_hint="talkdesk-of-former-days")
    assert page.url == f"{world.wallboard.url}/"
    assert any(urlsplit(url).path == "/launch/resume" for url in page.chain)


# --- Closed doors -------------------------------------------------------------------------------------


async def test_an_identity_provider_that_is_switched_off_is_a_closed_door(world: World) -> None:
    """By an administrator, in the console: found before the browser goes to Keycloak; switched on again, it opens."""
    installation = await world.install(ACME)
    alias = str(await world.alias(installation))
    await world.realm.switch(alias, enabled=False)
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.status == 403
    assert await reason_of(world, page) == "identity_provider_disabled"
    assert not was_at_keycloak(page)
    await world.realm.switch(alias, enabled=True)
    await eventually(lambda: is_open(world, installation), what="the door is open again")


async def is_open(world: World, installation: Installation) -> bool:
    """Whether a launch arrives."""
    return (await world.launch(world.browser(ANA), installation, ANA)).url == f"{world.wallboard.url}/"


async def test_an_identity_provider_that_was_deleted_comes_back_by_a_launch(world: World) -> None:
    """Under another alias, while the page waits: nobody has to ask for it."""
    installation = await world.install(ACME)
    first = str(await world.alias(installation))
    await world.realm.delete_provider(first)
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.url == f"{world.wallboard.url}/"
    assert await world.alias(installation) == f"{first}-2"


async def suspended(world: World, installation: Installation) -> None:
    """By the operator."""
    known = await world.state_of(installation)
    assert await world.broker.opened.stores.installations.suspend(known.id, datetime.now(UTC))


async def uninstalled(world: World, installation: Installation) -> None:
    """In Talkdesk."""
    await world.talkdesk.uninstall(installation)


async def trial_ended(world: World, installation: Installation) -> None:
    """The app's installations are suspended when their trial ends."""
    set_policy(world, "suspend")
    await world.broker.stop()
    await world.broker.start()
    await world.talkdesk.start_trial(installation)
    await world.talkdesk.end_trial(installation)


async def switched_off(world: World, installation: Installation) -> None:
    """In Keycloak's console."""
    await world.realm.switch(str(await world.alias(installation)), enabled=False)


async def account_taken_off(world: World, installation: Installation) -> None:
    """The operator lists the account no more."""
    await world.broker.stop()
    world.broker.config = world.broker.config.model_copy(update={"accounts": ()})
    await world.broker.start()


async def forgotten(world: World, installation: Installation) -> None:
    """Nobody ever heard of it."""
    installation.id = "never-heard-of"


@pytest.mark.parametrize(
    ("close", "reason", "status", "sentence"),
    [
        (forgotten, "installation_unknown", 404, "This app is not set up for your Talkdesk account."),
        (suspended, "installation_suspended", 403, "This app is suspended for your Talkdesk account."),
        (uninstalled, "installation_inactive", 403, "This app was removed from your Talkdesk account."),
        (trial_ended, "trial_expired", 403, "The trial of this app has ended for your Talkdesk account."),
        (switched_off, "identity_provider_disabled", 403, "An administrator has switched off sign-on to this app"),
        (remove_ana, "user_removed", 403, "You have no licence for this app in Talkdesk any more."),
        (account_taken_off, "account_not_listed", 403, "Your Talkdesk account may not use this app."),
    ],
)
async def test_a_closed_door_has_a_page_of_its_own(
    opened: OpenWorld,
    close: Callable[[World, Installation], Awaitable[None]],
    reason: str,
    status: int,
    sentence: str,
) -> None:
    """Its own sentence and reason, before the browser goes to Keycloak; whose licence is gone is known when Talkdesk has said who it is."""
    listed = f'\n[[accounts]]\nid = "{ACME.id}"\n'
    async with opened(settings={"accounts": "listed"}, config=listed) as world:
        installation = await world.install(ACME)
        await close(world, installation)
        page = await world.launch(world.browser(ANA), installation, ANA)
        assert (page.status, await reason_of(world, page)) == (status, reason)
        assert sentence in page.text
        assert was_at_keycloak(page) is (close is remove_ana)
        assert users_of(world.wallboard) == []
