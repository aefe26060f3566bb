"""Sign-outs while something is down, on a real Keycloak: what can be ended is ended, and the record says what came of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from demo.server import HttpServer
from demo.talkdesk import ANA, BRUNO
from tests.acceptance.keycloak_server import RunningKeycloak, known_of, local_server
from tests.fakes.app_front import AppFront, Fault
from tests.prepared import copy_into
from tests.scenarios.test_relay import Records, relayed, settled, sign_on_to_both
from tests.scenarios.test_relay_crashes import broker_process, is_confirmed, only_delivery, write_config
from tests.scenarios.test_sign_out_record import is_open_because, sign_ons
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

__all__ = ["relayed"]


async def test_keycloak_goes_down_and_comes_back(opened: OpenWorld) -> None:
    """Its sessions outlive it, so the sign-out waits for it, and says why; a person who is signed in elsewhere stays."""
    server = local_server(engine="local")
    await asyncio.to_thread(server.start)
    try:
        async with opened(realm=known_of(server), relayed=True) as world:
            wallboard = await sign_on_to_both(world)
            await world.launch(world.browser(ANA), wallboard, ANA)
            await world.launch(world.browser(BRUNO), wallboard, BRUNO)
            await asyncio.to_thread(server.pause)
            await world.talkdesk.user_logout(ANA)
            await eventually(lambda: is_open_because(world, "no answer"), what="the reason is on record")
            await asyncio.to_thread(server.start)
            row = await settled(world, "done", seconds=90)
            assert (row.sign_ons, row.confirmed, row.undelivered, row.problem) == (2, 3, 0, None)
            assert (users_of(world.wallboard), users_of(world.notes)) == ([BRUNO.id], [])
    finally:
        await asyncio.to_thread(server.stop)


async def test_an_app_that_is_down_for_many_tries_is_told_when_it_is_back(relayed: World) -> None:
    """Every try is counted; the token is the one that Keycloak gave."""
    await sign_on_to_both(relayed)
    await relayed.fronts["wallboard"].down()
    await relayed.talkdesk.user_logout(ANA)
    await eventually(lambda: has_tried(relayed, 5), what="it was tried five times", seconds=60)
    await relayed.fronts["wallboard"].up()
    row = await settled(relayed, "done")
    assert (row.confirmed, row.problem) == (2, None)
    assert not relayed.wallboard.signed_in


async def has_tried(world: World, times: int) -> bool:
    """Whether the wallboard was tried so often."""
    return [
        each.attempts for each in await Records(world).deliveries(relay="wallboard") if each.attempts >= times
    ] != []


@pytest.fixture
async def front(relayed: World) -> AsyncIterator[AppFront]:
    """In front of the wallboard, for another relay than the world's own."""
    front = AppFront(relayed.wallboard.backchannel_logout_url)
    await front.start()
    yield front
    await front.close()


async def test_a_broker_that_is_killed_between_keycloaks_post_and_the_delivery_delivers_it_later(
    relayed: World, keycloak: RunningKeycloak, front: AppFront, tmp_path: Path
) -> None:
    """SIGKILL while Keycloak and the app wait: another process delivers Keycloak's token. Who asked Keycloak hears that it could not tell an app."""
    folder = tmp_path / "other"
    folder.mkdir()
    copy_into(folder)
    write_config(folder, front)
    reserved = HttpServer()
    port = reserved.port
    await reserved.stop()
    await relayed.realm.register_app(relayed.wallboard, f"http://127.0.0.1:{port}/relay/wallboard")
    front.will(Fault.HANG)
    async with broker_process(folder, port, keycloak.url) as process:
        await sign_on_to_both(relayed)
        await relayed.talkdesk.user_logout(ANA)
        await eventually(lambda: front.hanging == 1, what="the app is being told")
        process.kill()
        await process.wait()
    killed = await only_delivery(folder)
    assert (killed.state, killed.attempts) == ("open", 0)
    row = await settled(relayed, "done")
    assert "could not tell an app" in (row.problem or "")
    assert row.confirmed == 1, "the other app is told all the same"
    async with broker_process(folder, port, keycloak.url):
        await relayed.signed_out(relayed.wallboard)
        await eventually(lambda: is_confirmed(folder), what="it is on record")


async def test_an_app_with_front_channel_logout_is_on_record_as_not_told(
    relayed: World, keycloak: RunningKeycloak
) -> None:
    """An administrator switched it on: Keycloak says 501, and the other app is out."""
    await sign_on_to_both(relayed)
    async with keycloak.admin() as admin:
        (client,) = (await admin.get("clients", params={"clientId": "wallboard"})).raise_for_status().json()
        changed = {**client, "frontchannelLogout": True}
        (await admin.put(f"clients/{client['id']}", json=changed)).raise_for_status()
    await relayed.talkdesk.user_logout(ANA)
    row = await settled(relayed, "done")
    assert row.problem == "Keycloak told an app nothing: its client has front-channel logout"
    assert [each.told_status for each in await sign_ons(relayed)] == [501]
    assert (users_of(relayed.wallboard), users_of(relayed.notes)) == ([ANA.id], [])


async def test_who_signs_out_at_an_app_meanwhile_is_no_problem(relayed: World) -> None:
    """RP-initiated, at the same moment as the event: each app is out, nothing is left open."""
    await sign_on_to_both(relayed)
    await asyncio.gather(
        relayed.browsers[0].submit(f"{relayed.wallboard.url}/logout", {}), relayed.talkdesk.user_logout(ANA)
    )
    row = await settled(relayed, "done")
    assert (row.undelivered, row.open) == (0, 0)
    assert not relayed.wallboard.signed_in
    assert not relayed.notes.signed_in
