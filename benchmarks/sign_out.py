"""From Talkdesk's `user.logout` to the last of two apps told, beside what Keycloak takes for the same logout token posted by hand.

One world on a real Keycloak; both ways by turns, so that whatever else the machine does meets both. The event's way begins before the event is
sent, so its acceptance is in it; its apps are told through the relay, by hand Keycloak tells them directly.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from benchmarks.databases import Backend
from benchmarks.result import Result
from broker.issuer.keys import SigningKeys
from broker.issuer.logout_token import TYPE, logout_token_claims
from broker.model.names import AccountId, TalkdeskUserId, client_id_of, slug_of
from demo.talkdesk import ACME, ANA
from tests.acceptance.keycloak_server import RunningKeycloak, running_keycloak
from tests.scenarios.test_sign_out import no_task_is_due
from tests.waiting import eventually
from tests.world import World, open_world, relay_url

ROUNDS = 15
MOST_RATIO = 1.3


async def by_event(world: World) -> float:
    """Seconds."""
    began = time.perf_counter()
    await world.talkdesk.user_logout(ANA)
    return await _both_are_out(world, began)


async def by_hand(world: World) -> float:
    """Seconds, from the POST to Keycloak on."""
    stores = world.broker.opened.stores
    [sign_on] = [
        each
        for each in await stores.sign_ons.of_person(AccountId(ACME.id), TalkdeskUserId(ANA.id))
        if each.state.value != "ended"
    ]
    slug = slug_of(sign_on.installation)
    claims = logout_token_claims(
        issuer=f"{world.broker.url}/oidc/{slug}",
        client_id=client_id_of(slug),
        now=world.broker.opened.now(),
        sid=sign_on.sid,
    )
    token = (await SigningKeys.load(stores.issuer_keys)).sign(claims, TYPE)
    url = f"{world.realm.realm_url}/protocol/openid-connect/logout/backchannel-logout"
    async with httpx.AsyncClient(timeout=30) as client:
        began = time.perf_counter()
        (await client.post(url, data={"logout_token": token})).raise_for_status()
        took = await _both_are_out(world, began)
    await stores.sign_ons.end([sign_on.id])
    await stores.sign_ons.mark_told([sign_on.id])
    return took


async def _both_are_out(world: World, began: float) -> float:
    until = began + 30
    while world.wallboard.signed_in or world.notes.signed_in:
        if time.perf_counter() > until:
            raise TimeoutError("somebody is still signed in")
        await asyncio.sleep(0.001)
    return time.perf_counter() - began


def measure(backend: Backend) -> Iterator[Result]:
    """Both ways, and their ratio. On SQLite alone: the database is a small part of it."""
    if backend.name != "SQLite":
        return
    with running_keycloak() as keycloak, backend.new_database() as (_, folder):
        took = asyncio.run(_take_turns(keycloak, folder))
    by_hand, by_event = (statistics.median(took[way]) for way in ("by hand", "by event"))
    yield Result(backend.name, "sign-out from the event to the last of two apps told: median", by_event * 1000, "ms")
    yield Result(backend.name, "  slowest", max(took["by event"]) * 1000, "ms")
    yield Result(backend.name, "  the same logout token posted to Keycloak by hand: median", by_hand * 1000, "ms")
    yield Result(backend.name, "  ratio", by_event / by_hand, "", at_most=MOST_RATIO)


async def _take_turns(keycloak: RunningKeycloak, folder: Path) -> Mapping[str, Sequence[float]]:
    """Seconds of each turn; the first of each way warms up."""
    took: dict[str, list[float]] = {"by hand": [], "by event": []}
    async with open_world(folder, keycloak, relayed=True) as world:
        installation = await world.install(ACME)
        for number in range(2 * ROUNDS + 2):
            name, way = (("by hand", by_hand), ("by event", by_event))[number % 2]
            for app in (world.wallboard, world.notes):
                await keycloak.register_app(app, relay_url(world.broker, app) if way is by_event else None)
            await world.another_second()
            browser = world.browser(ANA)
            await world.launch(browser, installation, ANA)
            await world.open_app(browser, world.notes)
            seconds = await way(world)
            await eventually(lambda: no_task_is_due(world), what="nothing is at work")
            if number >= 2:
                took[name].append(seconds)
    return took
