"""Rotated credentials: who signs on, and what Talkdesk is told, while two sets are alive."""

import pytest

from demo.talkdesk import ACME, ANA, Endpoint, Installation, Silence, Variants
from demo.talkdesk.variants import RotatedClientId
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough


async def in_use(world: World, installation: Installation) -> str | None:
    """Key id of the set that the broker uses."""
    credentials = (await world.state_of(installation)).credentials
    return credentials.key_id if credentials else None


async def acknowledged(world: World, installation: Installation) -> None:
    """Wait until Talkdesk heard of the newest set, and the broker has nothing else left."""
    newest = installation.current
    await eventually(lambda: not newest.awaits_acknowledgement, what="the new set is acknowledged")

    async def others_are_erased() -> bool:
        sets = (await world.state_of(installation)).credential_sets
        return [each.credentials.key_id for each in sets] == [newest.credentials.key_id]

    await eventually(others_are_erased, what="every other set is erased")


async def can_sign_on(world: World, installation: Installation) -> None:
    """A new browser gets in."""
    before = len(world.wallboard.signed_in)
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.url == f"{world.wallboard.url}/", page.text
    assert len(world.wallboard.signed_in) == before + 1


@pytest.mark.parametrize("client_id", list(RotatedClientId))
@pytest.mark.parametrize("compromised", [False, True], ids=["planned", "compromised"])
async def test_a_rotation_is_proven_then_acknowledged(
    opened: OpenWorld, client_id: RotatedClientId, compromised: bool
) -> None:
    """The token request comes first; afterwards the old secrets are gone and people sign on with the new ones."""
    async with opened(variants=Variants(rotated_client_id=client_id)) as world:
        installation = await world.install(ACME)
        old = installation.current.credentials
        calls = len(world.talkdesk.state.calls)
        await world.talkdesk.rotate(installation, compromised=compromised)
        await acknowledged(world, installation)
        endpoints = [call.endpoint for call in list(world.talkdesk.state.calls)[calls:]]
        assert endpoints.index(Endpoint.TOKEN) < endpoints.index(Endpoint.CREDENTIALS_STATE)
        assert await in_use(world, installation) != old.key_id
        await can_sign_on(world, installation)


async def test_the_old_set_serves_while_the_new_one_is_refused(world: World) -> None:
    """Nobody notices; the acknowledgement comes when the new set works."""
    installation = await world.install(ACME)
    old = installation.current.credentials
    world.talkdesk.faults.next(Endpoint.TOKEN, 401, times=2)
    await world.talkdesk.rotate(installation)
    await eventually(lambda: faults_left(world) == 0, what="the new set was refused twice")
    assert installation.current.awaits_acknowledgement
    assert await in_use(world, installation) == old.key_id
    await can_sign_on(world, installation)
    await acknowledged(world, installation)


def faults_left(world: World) -> int:
    """How many token requests are still to fail."""
    return len(world.talkdesk.faults._waiting[Endpoint.TOKEN])


@pytest.mark.thorough
async def test_a_sign_on_under_way_is_finished_with_the_set_that_began_it(world: World) -> None:
    """Talkdesk ends the old set at the acknowledgement, so that waits for the code of the old client."""
    installation = await world.install(ACME)
    browser = world.browser(None)
    page = await world.launch(browser, installation, ANA)
    assert page.url.startswith(world.talkdesk.url), "she is asked to sign in to Talkdesk first"
    await world.talkdesk.rotate(installation)

    async def is_proven() -> bool:
        return await in_use(world, installation) == installation.current.credentials.key_id

    await eventually(is_proven, what="the new set is in use")
    assert installation.current.awaits_acknowledgement
    world.talkdesk.sign_in(browser, ANA)
    finished = await browser.open(page.url)
    assert finished.url == f"{world.wallboard.url}/", finished.text
    assert users_of(world.wallboard) == [ANA.id]
    await acknowledged(world, installation)


async def test_two_rotations_swapped_end_with_the_newer_set(world: World) -> None:
    """The older one comes last, and is never acknowledged: that would end the newer."""
    installation = await world.install(ACME)
    older = await world.talkdesk.rotate(installation, deliver=False)
    await world.later()
    former = installation.current
    newer = await world.talkdesk.rotate(installation, deliver=False)
    await world.talkdesk.deliver(newer.event)
    await acknowledged(world, installation)
    await world.talkdesk.deliver(older.event)
    await acknowledged(world, installation)
    assert former.awaits_acknowledgement
    assert not installation.current.awaits_acknowledgement
    await can_sign_on(world, installation)


async def test_a_rotation_before_its_install_is_used_when_the_install_comes(world: World) -> None:
    """Without an install nobody knows the token endpoint."""
    installation = await world.talkdesk.install(ACME, world.talkdesk.app("Wallboard"), deliver=False)
    rotated = await world.talkdesk.rotate(installation, deliver=False)
    assert (await world.talkdesk.deliver(rotated.event)).status == 202
    assert not world.talkdesk.calls_to(Endpoint.TOKEN)
    await world.talkdesk.deliver(installation.deliveries[0].event)
    await world.talkdesk.until_answered(installation)
    await acknowledged(world, installation)
    await can_sign_on(world, installation)


async def test_an_acknowledgement_whose_answer_is_lost_is_done_all_the_same(world: World) -> None:
    """Said again it meets a 409: nothing waits for it any more."""
    installation = await world.install(ACME)
    world.talkdesk.faults.next(Endpoint.CREDENTIALS_STATE, 409)
    await world.talkdesk.rotate(installation)

    async def is_answered() -> bool:
        sets = (await world.state_of(installation)).credential_sets
        return len(sets) == 1

    await eventually(is_answered, what="the old set is erased")


async def test_an_acknowledgement_that_is_not_heard_is_said_again(world: World) -> None:
    """The new set is in use meanwhile."""
    installation = await world.install(ACME)
    world.talkdesk.faults.next(Endpoint.CREDENTIALS_STATE, Silence.DROP)
    await world.talkdesk.rotate(installation, compromised=True)

    async def is_proven() -> bool:
        return await in_use(world, installation) == installation.current.credentials.key_id

    await eventually(is_proven, what="the new set is in use")
    await can_sign_on(world, installation)
    await acknowledged(world, installation)
