"""Converge and answer end where they should, wherever the broker dies."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.model.identity_provider import ProviderState
from broker.model.names import InstallationId, alias_of, slug_of
from broker.realm.in_memory import InMemoryIdentityProviders
from tests.scenarios.converging import Crash, World, complete, open_world, state_of, steps_of_an_install

pytestmark = pytest.mark.thorough


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A new broker in front of an empty realm."""
    world = await open_world(tmp_path / "broker.sqlite3", InMemoryIdentityProviders())
    yield world
    await world.database.close()


@pytest.mark.parametrize("after_effect", [False, True])
async def test_an_install_survives_a_crash_at_every_step(world: World, after_effect: bool) -> None:
    """Redone from the start it ends where it would have ended: one complete identity provider of the first generation."""
    steps = await steps_of_an_install(world)
    assert {"create", "create_mapper", "replace", "mark_live", "enqueue", "approve", "mark_answered"} <= set(steps)

    for number in range(len(steps)):
        installation = InstallationId(f"install{number}")
        world.talkdesk.told.clear()
        await world.install(installation)
        world.steps.start(number, after_effect=after_effect)
        with pytest.raises(Crash):
            await world.work()
        world.steps.start(None)

        assert await world.work() == []

        await complete(world, installation, 1)
        assert await state_of(world, installation) == (1, ProviderState.LIVE)
        assert set(world.talkdesk.told) == {("approve", installation)}
        assert await world.stores.events.unanswered(installation) == []


@pytest.mark.parametrize("after_effect", [False, True])
async def test_an_uninstall_survives_a_crash_at_every_step(world: World, after_effect: bool) -> None:
    """Nothing is left, sessions ended before anything was deleted, and no credentials stay behind."""
    undisturbed = InstallationId("undisturbed")
    await steps_of_an_install(world)
    first = len(world.steps.taken)
    await world.uninstall(undisturbed, at=1)
    await world.work()
    steps = world.steps.taken[first:]
    assert {"end_sessions", "delete", "mark_withdrawn", "approve", "erase_credentials", "mark_answered"} <= set(steps)

    for number in range(len(steps)):
        installation = InstallationId(f"uninstall{number}")
        await world.install(installation)
        await world.work()
        await world.uninstall(installation, at=1)
        world.steps.taken.clear()
        world.steps.start(number, after_effect=after_effect)
        with pytest.raises(Crash):
            await world.work()
        world.steps.start(None)

        assert await world.work() == []

        assert await world.providers.find(alias_of(slug_of(installation), 1)) is None
        assert await state_of(world, installation) == (1, ProviderState.WITHDRAWN)
        assert world.steps.taken.index("end_sessions") < world.steps.taken.index("delete")
        state = await world.stores.installations.find(installation)
        assert state is not None
        assert state.credentials is None
        assert await world.stores.events.unanswered(installation) == []
