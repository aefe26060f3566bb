"""A person waits: whatever hangs at Talkdesk or Keycloak, there is a page and a record in time; and one at once where too many come."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from demo.browser import Page
from demo.talkdesk import ACME, ANA, BRUNO, Endpoint, Silence
from tests.company import Company, config
from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.existing.conftest import ImitatedCompany
from tests.scenarios.test_starting_points import reason_of
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough

SHORT: dict[str, Any] = {"answer_seconds": 0.6}
"""Far below every other time-out of the broker's, so that none of them passes for this one."""
OTHER_TIME_OUTS_S = 4.5
"""The shortest of the others is 5 s."""
REALM = "/realms/talkdesk/protocol/openid-connect"


@asynccontextmanager
async def hasty(opened: OpenWorld, **given: Any) -> AsyncIterator[World]:
    """A world whose people don't wait long; at its end nothing hangs any more."""
    async with opened(settings=SHORT | given) as world:
        try:
            yield world
        finally:
            world.talkdesk.faults.clear()


async def launched_in_time(world: World, installation: Any, user: Any = ANA, browser: Any = None) -> Page:
    """A launch that ends before any other time-out could end it."""
    async with asyncio.timeout(OTHER_TIME_OUTS_S):
        return await world.launch(browser or world.browser(user), installation, user)


@pytest.mark.parametrize("silence", [Silence.HANG, Silence.TRICKLE])
@pytest.mark.parametrize(
    "silent",
    [
        (Endpoint.TOKEN, Endpoint.TOKEN),
        (Endpoint.USERINFO, Endpoint.USERINFO),
        (Endpoint.TOKEN, Endpoint.USERINFO),
        (Endpoint.USERINFO, Endpoint.TOKEN),
    ],
)
async def test_whatever_of_talkdesk_hangs_a_page_comes_in_time(
    opened: OpenWorld, silent: tuple[Endpoint, ...], silence: Silence
) -> None:
    """On the first trip and on the second: both together are one wait."""
    async with hasty(opened) as world:
        installation = await world.install(ACME)
        for endpoint in silent:
            world.talkdesk.faults.next(endpoint, silence)
        page = await launched_in_time(world, installation)
        assert page.status == 502
        assert await reason_of(world, page) == "talkdesk_failed"
        assert not world.wallboard.signed_in


async def test_who_waited_for_the_first_trip_gets_in_by_the_second(opened: OpenWorld) -> None:
    """No code is sent twice, and the second trip has time enough of its own."""
    async with hasty(opened, answer_seconds=4) as world:
        installation = await world.install(ACME)
        world.talkdesk.faults.next(Endpoint.TOKEN, Silence.HANG)
        page = await world.launch(world.browser(ANA), installation, ANA)
        assert page.url == f"{world.wallboard.url}/"
        assert users_of(world.wallboard) == [ANA.id]


@pytest.mark.parametrize(
    ("path", "reason"), [("/token", "keycloak_failed"), ("/logout/backchannel-logout", "session_stays")]
)
async def test_whatever_of_keycloak_hangs_at_the_return_a_page_comes_in_time(
    opened: OpenWorld, keycloak: KeycloakImitation, path: str, reason: str
) -> None:
    """Its token endpoint, or the end of another person's session, which it may take a minute for."""
    async with hasty(opened) as world:
        installation = await world.install(ACME)
        browser = world.browser(ANA)
        await world.launch(browser, installation, ANA)
        world.talkdesk.sign_in(browser, BRUNO)
        keycloak.hang(f"{REALM}{path}")
        try:
            page = await launched_in_time(world, installation, BRUNO, browser)
        finally:
            keycloak.release()
        assert page.status == 502
        assert await reason_of(world, page) == reason


async def test_a_realm_that_does_not_say_who_is_in_it_is_a_page_in_time(
    opened: OpenWorld, keycloak: KeycloakImitation
) -> None:
    """Mode existing: the callback asks Keycloak, too, with what Talkdesk left of the time."""
    keycloak.belong_to_a_company()
    company: Company = ImitatedCompany(keycloak)
    async with opened(realm=company, settings={**company.settings, **SHORT}, config=config()) as world:
        await company.add_user("ana", ANA.email)
        installation = await world.install(ACME)
        keycloak.hang("/admin/realms/talkdesk/users", times=10)
        try:
            page = await launched_in_time(world, installation)
        finally:
            keycloak.release()
        assert await reason_of(world, page) == "keycloak_failed"


async def test_who_comes_when_too_many_are_there_is_told_at_once(opened: OpenWorld) -> None:
    """A page with a button instead of a queue, on record; who is on the way goes on, and a moment later there is room."""
    async with opened(settings={"launches_at_once": 1, "answer_seconds": 60}) as world:
        installation = await world.install(ACME)
        world.talkdesk.faults.next(Endpoint.TOKEN, Silence.HANG)
        anas = asyncio.create_task(world.launch(world.browser(ANA), installation, ANA))
        await eventually(lambda: not world.talkdesk.faults.left(Endpoint.TOKEN), what="Ana waits at the callback")
        bruno = world.browser(BRUNO)
        page = await world.launch(bruno, installation, BRUNO)
        assert page.status == 503
        assert await reason_of(world, page) == "crowded"
        assert "Too many people" in page.text
        world.talkdesk.faults.clear()
        assert (await anas).url == f"{world.wallboard.url}/"
        link = page.text.partition('class="button" href="')[2].partition('"')[0].replace("&amp;", "&")
        again = await bruno.open(f"{world.broker.url}{link}", on=world.broker.url)
        assert again.url == f"{world.wallboard.url}/"
        assert users_of(world.wallboard) == sorted([ANA.id, BRUNO.id])
