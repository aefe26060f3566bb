"""Keycloak sessions that are not ours, in which somebody was let in from Talkdesk: a sign-out leaves them, or ends them where that is allowed.

The acceptance tests run the same words on a real Keycloak.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from demo.browser import Browser
from demo.talkdesk import ACME, ANA, BRUNO, Installation
from tests.company import Company, config, sign_in_at
from tests.scenarios.existing.test_existing_users import assert_stopped
from tests.scenarios.test_relay import Records
from tests.scenarios.test_sign_out import no_task_is_due
from tests.scenarios.test_sign_out_record import is_open_because, sign_ons
from tests.waiting import eventually
from tests.world import OpenWorld, World

pytestmark = pytest.mark.thorough

LEFT_ALONE = "a session that Talkdesk did not begin may live on in Keycloak: END_FOREIGN_SESSIONS is off"


@asynccontextmanager
async def at_work(
    opened: OpenWorld, company: Company, settings: Mapping[str, Any]
) -> AsyncIterator[tuple[World, Installation, Browser]]:
    """Ana signed in to the company, and then opened the wallboard from Talkdesk in that session; Notes is open, too."""
    given = {**company.settings, **settings}
    async with opened(realm=company, settings=given, config=config(), relayed=True) as world:
        await company.add_user("a.sousa", ANA.email)
        installation = await world.install(ACME)
        browser = world.browser(ANA)
        await sign_in_at(world.notes, world, browser, "a.sousa")
        await world.launch(browser, installation, ANA)
        assert [len(world.wallboard.signed_in), len(world.notes.signed_in)] == [1, 1]
        yield world, installation, browser


@pytest.fixture
def ending() -> Mapping[str, Any]:
    """Settings that let the broker end them."""
    return {"end_foreign_sessions": True}


async def test_by_default_it_stays_and_the_record_says_so(opened: OpenWorld, company: Company) -> None:
    """Nobody is told; the sign-out is done, and what it could not do is on record."""
    async with at_work(opened, company, {}) as (world, _, _):
        await world.talkdesk.user_logout(ANA)
        await eventually(lambda: is_done(world), what="the sign-out is done")
        [row] = await Records(world).logouts()
        assert (row.problem, row.sign_ons, row.confirmed) == (LEFT_ALONE, 1, 0)
        assert [len(world.wallboard.signed_in), len(world.notes.signed_in)] == [1, 1]


async def is_done(world: World) -> bool:
    """Whether the only sign-out is done."""
    return [row.state for row in await Records(world).logouts()] == ["done"]


async def test_where_it_is_allowed_it_ends_with_all_its_apps(
    opened: OpenWorld, company: Company, ending: Mapping[str, Any]
) -> None:
    """In that browser; the one in which she did not come from Talkdesk stays, and so does Bruno's."""
    await company.let_the_broker_end_sessions()
    async with at_work(opened, company, ending) as (world, installation, browser):
        await world.launch(browser, installation, ANA)
        await sign_in_at(world.notes, world, world.browser(None), "a.sousa")
        await company.add_user("b.costa", BRUNO.email)
        others = world.browser(BRUNO)
        await sign_in_at(world.notes, world, others, "b.costa")
        await world.launch(others, installation, BRUNO)
        await world.talkdesk.user_logout(ANA)
        await eventually(lambda: is_done(world), what="the sign-out is done")
        [row] = await Records(world).logouts()
        assert (row.problem, row.sign_ons, row.confirmed, row.undelivered) == (None, 1, 2, 0)
        assert [each.told_status for each in await sign_ons(world) if each.logout == row.number] == [204]
        assert [len(world.wallboard.signed_in), len(world.notes.signed_in)] == [1, 2]


async def test_without_the_role_the_record_says_so_until_it_is_given(
    opened: OpenWorld, company: Company, ending: Mapping[str, Any]
) -> None:
    """The session lives on meanwhile, so the task stays due."""
    async with at_work(opened, company, ending) as (world, _, _):
        await world.talkdesk.user_logout(ANA)
        await eventually(
            lambda: is_open_because(world, "without the role manage-users"), what="the reason is on record"
        )
        assert len(world.notes.signed_in) == 1
        await company.let_the_broker_end_sessions()
        # A token of before says what the service account could do then.
        await world.broker.stop()
        await world.broker.start()
        await world.signed_out(world.wallboard, world.notes)
        await eventually(lambda: is_done(world), what="the sign-out is done")


async def test_one_that_is_over_already_is_no_problem(
    opened: OpenWorld, company: Company, ending: Mapping[str, Any]
) -> None:
    """She signed out of the company by herself."""
    await company.let_the_broker_end_sessions()
    async with at_work(opened, company, ending) as (world, _, browser):
        await browser.submit(f"{world.wallboard.url}/logout", {})
        await world.signed_out(world.wallboard, world.notes)
        await world.talkdesk.user_logout(ANA)
        await eventually(lambda: is_done(world), what="the sign-out is done")
        assert [each.told_status for each in await sign_ons(world)] == [404]
        assert [row.problem for row in await Records(world).logouts()] == [None]


async def test_an_event_from_before_she_was_seen_there_leaves_it(
    opened: OpenWorld, company: Company, ending: Mapping[str, Any]
) -> None:
    """It comes late: Talkdesk has said since who she is."""
    await company.let_the_broker_end_sessions()
    async with at_work(opened, company, ending) as (world, _, _):
        await world.talkdesk.user_logout(ANA, created_at=world.talkdesk.state.clock() - timedelta(hours=1))
        await eventually(lambda: no_task_is_due(world), what="the sign-out is done")
        assert [len(world.wallboard.signed_in), len(world.notes.signed_in)] == [1, 1]


async def test_who_signs_out_of_talkdesk_on_the_way_is_not_let_in(opened: OpenWorld, company: Company) -> None:
    """Proven, and signed out before Keycloak's answer came back: the session is the company's, the launch is over."""
    async with opened(realm=company, settings=company.settings, config=config()) as world:
        await company.add_user("a.sousa", ANA.email)
        installation = await world.install(ACME)
        browser = world.browser(ANA)
        await sign_in_at(world.notes, world, browser, "a.sousa")
        url = world.talkdesk.launch_url(installation, ANA)
        callback = await browser.open(url, on=world.talkdesk.url, stop_before="/talkdesk/callback")
        proven = await browser.open(callback.url, stop_before="/launch/return")
        await world.talkdesk.user_logout(ANA)
        page = await browser.open(proven.url)
        await assert_stopped(world, page, 403, "signed_out_meanwhile")
        assert len(world.notes.signed_in) == 1


async def test_an_uninstall_ends_it_too(opened: OpenWorld, company: Company, ending: Mapping[str, Any]) -> None:
    """Everybody of the account, in whichever session they were let in."""
    await company.let_the_broker_end_sessions()
    async with at_work(opened, company, ending) as (world, installation, _):
        await world.talkdesk.uninstall(installation)
        await world.signed_out(world.wallboard, world.notes)
