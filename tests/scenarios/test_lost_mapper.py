"""Somebody deletes our mapper in the console: no reconcile looks at mappers by itself, the next launch shows it."""

import pytest

from broker.model.names import Alias
from demo.talkdesk import ACME, ANA
from tests.world import World, users_of

pytestmark = pytest.mark.thorough


async def test_a_launch_that_shows_a_lost_mapper_brings_it_back_and_arrives(world: World) -> None:
    """Without one more click: the session without notes is ended, and made again with them."""
    installation = await world.install(ACME)
    alias = str(await world.alias(installation))
    await world.realm.delete_mappers(alias)

    page = await world.launch(world.browser(ANA), installation, ANA)

    assert page.url == f"{world.wallboard.url}/", page.text
    assert users_of(world.wallboard) == [ANA.id]
    [mapper] = await world.broker.opened.converge.providers.mappers(Alias(alias))
    assert mapper["name"] == "talkdesk notes"
    assert await world.alias(installation) == alias
