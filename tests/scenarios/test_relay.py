"""The relay: every app confirms a sign-out, or is on record as not reached."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from broker.listing import DeliveryFilter, DeliveryRow, LogoutFilter, LogoutRow
from broker.storage.database import open_database
from broker.storage.sql_logout_lists import SqlLogoutList
from demo.talkdesk import ACME, ANA, BRUNO, CARLA, GLOBEX, Installation
from tests.fakes.app_front import Fault
from tests.scenarios.test_metrics import scrape
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough


@pytest.fixture
async def relayed(opened: OpenWorld) -> AsyncIterator[World]:
    """A world in which Keycloak tells the relay, and the relay the apps."""
    async with opened(relayed=True) as world:
        yield world


class Records:
    """What `broker logouts` reads."""

    def __init__(self, world: World) -> None:
        self._path = world.broker.folder / "broker.sqlite3"

    async def logouts(self) -> list[LogoutRow]:
        """All sign-outs, oldest first."""
        return [*reversed((await self._page("page", LogoutFilter())).rows)]

    async def deliveries(self, **wanted: Any) -> list[DeliveryRow]:
        """Logout tokens for apps, oldest first."""
        return [*reversed((await self._page("deliveries", DeliveryFilter(**wanted))).rows)]

    async def _page(self, name: str, wanted: Any) -> Any:
        database = open_database(f"sqlite:///{self._path}")
        try:
            return await getattr(SqlLogoutList(database), name)(wanted, 1000)
        finally:
            await database.close()


async def sign_on_to_both(world: World) -> Installation:
    """Ana in the two apps, in one browser: one Keycloak session."""
    wallboard = await world.install(ACME)
    notes = await world.install(ACME, "Notes")
    browser = world.browser(ANA)
    await world.launch(browser, wallboard, ANA)
    await world.launch(browser, notes, ANA)
    assert users_of(world.wallboard) == users_of(world.notes) == [ANA.id]
    return wallboard


async def settled(world: World, state: str, seconds: float = 30) -> LogoutRow:
    """The sign-out that ended somebody, once it is in this state. Talkdesk tells each installation, and one of them is the first."""
    records = Records(world)

    async def is_so() -> bool:
        return [each.state for each in await records.logouts() if each.sign_ons] == [state]

    await eventually(is_so, what=f"the sign-out is {state}", seconds=seconds)
    [row] = [each for each in await records.logouts() if each.sign_ons]
    return row


async def test_every_app_confirms_and_it_is_on_record(relayed: World) -> None:
    """One token an app, which event, which session, and how long it took."""
    await sign_on_to_both(relayed)
    await relayed.talkdesk.user_logout(ANA)
    row = await settled(relayed, "done")
    assert (row.cause, row.user, row.confirmed, row.undelivered, row.problem) == ("user.logout", ANA.id, 2, 0, None)
    assert row.sign_ons == 1, "the second launch met the session of the first"
    assert row.completed_at is not None
    assert row.event is not None
    deliveries = await Records(relayed).deliveries()
    assert {(each.relay, each.state, each.attempts, each.answer, each.logout) for each in deliveries} == {
        (slug, "confirmed", 1, "200", row.number) for slug in ("wallboard", "notes")
    }
    assert [len(front.tokens) for front in relayed.fronts.values()] == [1, 1]
    assert not relayed.wallboard.signed_in
    assert not relayed.notes.signed_in
    samples = await scrape(relayed)
    assert samples.of("logout_deliveries_total", relay="notes", outcome="confirmed at once") == 1
    assert samples.of("logout_confirmed_seconds_count") == 1
    assert 0 < samples.of("logout_confirmed_seconds_sum") < 60


async def test_exactly_one_persons_sessions_end_one_token_each(relayed: World) -> None:
    """Three browsers of Ana's through two installations; Bruno's and another account's stay."""
    wallboard, notes = await relayed.install(ACME), await relayed.install(ACME, "Notes")
    globex = await relayed.install(GLOBEX)
    for number in range(3):
        browser = relayed.browser(ANA)
        await relayed.launch(browser, wallboard if number % 2 else notes, ANA)
        await relayed.launch(browser, notes if number % 2 else wallboard, ANA)
    await relayed.launch(relayed.browser(BRUNO), wallboard, BRUNO)
    await relayed.launch(relayed.browser(CARLA), globex, CARLA)
    await relayed.talkdesk.user_logout(ANA)
    row = await settled(relayed, "done")
    assert (row.sign_ons, row.confirmed, row.undelivered) == (3, 6, 0)
    assert users_of(relayed.wallboard) == sorted([BRUNO.id, CARLA.id])
    assert users_of(relayed.notes) == []
    for front in relayed.fronts.values():
        assert len(front.tokens) == len(set(front.tokens)) == 3, "one token a session"


async def test_an_app_that_fails_twice_is_told_a_third_time(relayed: World) -> None:
    """Half a second and a second later; the other app does not wait for it."""
    await sign_on_to_both(relayed)
    relayed.fronts["wallboard"].will(500, 503)
    await relayed.talkdesk.user_logout(ANA)
    row = await settled(relayed, "done")
    assert row.confirmed == 2
    [slow] = await Records(relayed).deliveries(relay="wallboard")
    [other] = await Records(relayed).deliveries(relay="notes")
    assert (slow.attempts, slow.answer, other.attempts) == (3, "200", 1)
    assert len(set(relayed.fronts["wallboard"].tokens)) == 1, "the same token, unchanged"
    assert [each.status for each in relayed.fronts["wallboard"].posted] == [500, 503, 200]
    samples = await scrape(relayed)
    assert samples.of("logout_deliveries_total", relay="wallboard", outcome="confirmed") == 1


async def test_an_app_that_was_down_is_told_when_it_is_back(relayed: World) -> None:
    """Also after the broker was stopped meanwhile."""
    await sign_on_to_both(relayed)
    await relayed.fronts["wallboard"].down()
    await relayed.talkdesk.user_logout(ANA)
    await eventually(lambda: not relayed.notes.signed_in, what="the other app is told")
    assert users_of(relayed.wallboard) == [ANA.id]
    await settled(relayed, "delivering")
    await relayed.broker.stop()
    await relayed.fronts["wallboard"].up()
    await relayed.broker.start()
    await settled(relayed, "done")
    assert not relayed.wallboard.signed_in


async def test_an_app_that_hangs_delays_no_other(relayed: World) -> None:
    """Keycloak is answered after two seconds, and goes on; the token is delivered when the app is awake."""
    await sign_on_to_both(relayed)
    relayed.fronts["wallboard"].will(Fault.HANG)
    await relayed.talkdesk.user_logout(ANA)
    await eventually(lambda: not relayed.notes.signed_in, what="the other app is told", seconds=10)
    await settled(relayed, "done")
    [slow] = await Records(relayed).deliveries(relay="wallboard")
    assert (slow.attempts, slow.state) == (2, "confirmed")


async def test_a_refusal_is_final(relayed: World) -> None:
    """400 is tried once, counted, and on record: the person is still in there."""
    await sign_on_to_both(relayed)
    relayed.fronts["wallboard"].will(400)
    await relayed.talkdesk.user_logout(ANA)
    row = await settled(relayed, "undelivered")
    assert (row.confirmed, row.undelivered, row.completed_at) == (1, 1, None)
    [refused] = await Records(relayed).deliveries(relay="wallboard")
    assert (refused.state, refused.attempts, refused.answer) == ("refused", 1, "400")
    assert users_of(relayed.wallboard) == [ANA.id]
    samples = await scrape(relayed)
    assert samples.of("logout_deliveries_total", relay="wallboard", outcome="refused") == 1


async def test_a_refusal_after_a_lost_answer_says_so(relayed: World) -> None:
    """The app took the token, its answer was lost, and the second time it had seen that `jti`: it may be out, and nobody knows."""
    await sign_on_to_both(relayed)
    front = relayed.fronts["wallboard"]
    front.will(Fault.HANG)
    await relayed.talkdesk.user_logout(ANA)
    await eventually(lambda: front.hanging == 1, what="the first try hangs")
    front.will(400)
    await settled(relayed, "undelivered")
    [refused] = await Records(relayed).deliveries(relay="wallboard")
    assert refused.answer == "400, after no answer (ReadTimeout): the app may have taken it then"


async def test_a_redirect_is_not_followed(relayed: World) -> None:
    """It is tried again where it is configured, and nowhere else."""
    await sign_on_to_both(relayed)
    relayed.fronts["wallboard"].will(Fault.REDIRECT)
    await relayed.talkdesk.user_logout(ANA)
    await settled(relayed, "done")
    [told] = await Records(relayed).deliveries(relay="wallboard")
    assert (told.attempts, relayed.fronts["wallboard"].redirected) == (2, 0)


async def test_a_sign_out_at_an_app_reaches_the_others(relayed: World) -> None:
    """Started by an app at Keycloak (RP-initiated): it is no event of Talkdesk's, and the next launch is clean."""
    installation = await sign_on_to_both(relayed)
    await relayed.browsers[0].submit(f"{relayed.wallboard.url}/logout", {})
    await eventually(lambda: not relayed.notes.signed_in, what="the other app is told")
    records = Records(relayed)
    assert await records.logouts() == []
    assert {(each.relay, each.state, each.logout) for each in await records.deliveries()} >= {
        ("notes", "confirmed", None)
    }
    page = await relayed.launch(relayed.browsers[0], installation, ANA)
    assert ANA.name in page.text
    assert users_of(relayed.wallboard) == [ANA.id]
