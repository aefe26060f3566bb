"""From a `user.logout` to the last of two apps told, beside what Keycloak takes for the same token by hand: `python -m benchmarks.sign_out`.

One world on a real Keycloak; both ways by turns, so that whatever else the machine does meets both. The event's way begins before the event is
sent, so its acceptance is in it; its apps are told through the relay, by hand Keycloak tells them directly.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import httpx

from broker.issuer.keys import SigningKeys
from broker.issuer.logout_token import TYPE, logout_token_claims
from broker.model.names import AccountId, TalkdeskUserId, client_id_of, slug_of
from demo.talkdesk import ACME, ANA
from tests.acceptance.keycloak_server import RunningKeycloak, running_keycloak
from tests.scenarios.test_sign_out import no_task_is_due
from tests.waiting import eventually
from tests.world import World, open_world, relay_url

MOST = 1.3


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


async def measure(keycloak: RunningKeycloak, rounds: int) -> None:
    """Prints both, and the ratio."""
    took: dict[str, list[float]] = {"by hand": [], "by event": []}
    async with open_world(Path(tempfile.mkdtemp(prefix="bench-sign-out-")), keycloak, relayed=True) as world:
        installation = await world.install(ACME)
        for number in range(2 * rounds + 2):
            name, way = (("by hand", by_hand), ("by event", by_event))[number % 2]
            for app in (world.wallboard, world.notes):
                await keycloak.register_app(app, relay_url(world.broker, app) if way is by_event else None)
            await world.another_second()
            browser = world.browser(ANA)
            await world.launch(browser, installation, ANA)
            await world.open_app(browser, world.notes)
            seconds = await way(world)
            await eventually(lambda: no_task_is_due(world), what="nothing is at work")
            if number >= 2:  # the first of each warms up
                took[name].append(seconds)
    for name, each in took.items():
        print(f"{name}: median {statistics.median(each) * 1000:.0f} ms, slowest {max(each) * 1000:.0f} ms")
    ratio = statistics.median(took["by event"]) / statistics.median(took["by hand"])
    print(f"by event / by hand = {ratio:.2f} (at most {MOST})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    with running_keycloak() as keycloak:
        asyncio.run(measure(keycloak, given.rounds))


if __name__ == "__main__":
    main()
