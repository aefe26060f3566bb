"""An `app.uninstalled` that was lost: the daily check makes the installation visible, and changes nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from demo.talkdesk import ACME, ANA, Endpoint, Installation
from tests.waiting import eventually
from tests.world import World, users_of

pytestmark = pytest.mark.thorough


async def is_suspect(world: World, installation: Installation) -> bool:
    """Whether the broker doubts that it is still installed."""
    return (await world.state_of(installation)).suspect_since is not None


async def test_an_installation_that_talkdesk_does_not_know_any_more_becomes_suspect(world: World) -> None:
    """Marked, not deleted: who is signed on stays so, and when Talkdesk takes the credentials again the mark goes."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    dead = installation.current
    dead.dead_from = datetime.now(UTC)
    await world.check(installation)
    await eventually(lambda: is_suspect(world, installation), what="it is suspect")
    state = await world.state_of(installation)
    assert state.is_active
    assert state.credentials is not None
    assert await world.alias(installation) is not None
    assert users_of(world.wallboard) == [ANA.id]
    dead.dead_from = None
    await world.check(installation)

    async def is_clear() -> bool:
        return not await is_suspect(world, installation)

    await eventually(is_clear, what="it is suspect no more")


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_talkdesk_that_says_neither_yes_nor_no_makes_nobody_suspect(world: World, status: int) -> None:
    """It is asked again."""
    installation = await world.install(ACME)
    world.talkdesk.faults.next(Endpoint.TOKEN, status)
    asked = len(world.talkdesk.calls_to(Endpoint.TOKEN))
    await world.check(installation)
    await eventually(lambda: len(world.talkdesk.calls_to(Endpoint.TOKEN)) == asked + 2, what="it was asked again")
    assert not await is_suspect(world, installation)


async def test_the_next_check_is_about_a_day_later(world: World) -> None:
    """And so on, without anybody asking for it."""
    installation = await world.install(ACME)
    asked = len(world.talkdesk.calls_to(Endpoint.TOKEN))
    await world.check(installation)

    async def waits_for_tomorrow() -> bool:
        due = await world.broker.opened.stores.tasks.next_due()
        return due is not None and due > timedelta(hours=20)

    await eventually(waits_for_tomorrow, what="the next check waits")
    assert len(world.talkdesk.calls_to(Endpoint.TOKEN)) == asked + 1
    due = await world.broker.opened.stores.tasks.next_due()
    assert due is not None
    assert due < timedelta(hours=28)
