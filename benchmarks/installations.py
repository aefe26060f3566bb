"""Whether launches, sign-outs and reconciles grow with the number of installations: ten first, then `BENCH_INSTALLATIONS` (500), in one world.

Keycloak and the broker are on one PostgreSQL, the broker in a process of its own. All but the reconcile is measured at ten and again at N. Of
sign-outs Keycloak's own share is measured apart: it looks for the issuer of a logout token in all identity providers.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from benchmarks.databases import Backend
from benchmarks.result import Result
from broker.issuer.keys import SigningKeys
from broker.issuer.logout_token import TYPE, logout_token_claims
from broker.model.names import AccountId, TalkdeskUserId, client_id_of, slug_of
from broker.model.sign_on import SignOnState
from broker.storage.stores import Stores
from demo.talkdesk import Installation
from tests.many_installations import Vendor, vendor
from tests.postgresql_server import PostgresqlServer, running_postgresql
from tests.scenarios.test_sign_out import nothing_is_due
from tests.waiting import eventually

INSTALLATIONS = int(os.environ.get("BENCH_INSTALLATIONS", "500"))
FEW = 10
ROUNDS = 5
"""Launches of each of ten people."""
MOST_WARMING = 20
"""Rounds, at most, until launches get no faster."""
SIGN_OUTS = 9
"""Of each way."""
RECONCILES = 5
MOST_LAUNCH_RATIO = 1.15
MOST_RECONCILE_RATIO = 1.5
MOST_MIB = 250.0
_MIB = 2**20


@dataclass(frozen=True)
class _At:
    """Medians at one number of installations, in seconds."""

    launch: float
    by_event: float
    by_hand: float


def measure(backend: Backend) -> Iterator[Result]:
    """On PostgreSQL alone: SQLite is not for so many."""
    if backend.name != "PostgreSQL":
        return
    with running_postgresql(is_durable=True) as server, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        few, many, reconciled, resident = asyncio.run(_measure(Path(folder), server))
    at = f"at {INSTALLATIONS:,} installations"
    yield Result(backend.name, f"launch → app signed in {at}: median", many.launch * 1000, "ms")
    yield Result(backend.name, f"  at {FEW}: median", few.launch * 1000, "ms")
    yield Result(backend.name, "  ratio", many.launch / few.launch, "", at_most=MOST_LAUNCH_RATIO)
    yield Result(backend.name, f"user.logout → out of the app {at}: median", many.by_event * 1000, "ms")
    yield Result(backend.name, "  Keycloak's own: the same logout token by hand", many.by_hand * 1000, "ms")
    yield Result(backend.name, f"  at {FEW}: median", few.by_event * 1000, "ms")
    yield Result(backend.name, f"  at {FEW}, Keycloak's own", few.by_hand * 1000, "ms")
    listing, planning = (statistics.median(reconciled[name]) for name in ("listing_s", "reconcile_s"))
    pairs = zip(reconciled["reconcile_s"], reconciled["listing_s"], strict=True)
    ratio = statistics.median(plan / bare for plan, bare in pairs)
    yield Result(backend.name, f"reconcile with nothing to do {at}: median", planning * 1000, "ms")
    yield Result(backend.name, "  bare paged listing by the same client: median", listing * 1000, "ms")
    yield Result(backend.name, "  ratio", ratio, "", at_most=MOST_RECONCILE_RATIO)
    yield Result(
        backend.name, "  memory of its process, at most", reconciled["peak_bytes"] / _MIB, "MiB", at_most=MOST_MIB
    )
    yield Result(backend.name, f"memory of the broker {at}", resident / _MIB, "MiB", at_most=MOST_MIB)


async def _measure(folder: Path, server: PostgresqlServer) -> tuple[_At, _At, Mapping[str, Any], int]:
    async with vendor(folder, server) as made:
        await made.grow(FEW)
        few = await _at(made, made.installations)
        await made.grow(INSTALLATIONS - FEW)
        ended = await made.command("benchmarks.reconcile_alone", str(RECONCILES))
        assert ended.exit_code == 0, ended.output
        reconciled = json.loads(ended.output.splitlines()[-1])
        many = await _at(made, made.installations[:: INSTALLATIONS // FEW][:FEW])
        assert not made.broker.complaints(), made.broker.complaints()[:3]
        return few, many, reconciled, made.broker.resident_bytes


async def _at(made: Vendor, installations: Sequence[Installation]) -> _At:
    last = await _round(made, installations)
    for _ in range(MOST_WARMING):
        before, last = last, await _round(made, installations)
        if statistics.median(last) > statistics.median(before):
            break
    launches = [seconds for _ in range(ROUNDS) for seconds in await _round(made, installations)]
    by_event, by_hand = await _sign_outs(made, installations[0])
    return _At(*map(statistics.median, (launches, by_event, by_hand)))


async def _round(made: Vendor, installations: Sequence[Installation]) -> list[float]:
    """One launch of each, in a new browser, by somebody whom Keycloak has seen before (but for the first round)."""
    return [await _launch(made, installation) for installation in installations]


async def _launch(made: Vendor, installation: Installation) -> float:
    browser = made.browser(installation.users[0])
    try:
        began = time.perf_counter()
        await made.launch(browser, installation)
        return time.perf_counter() - began
    finally:
        await browser.close()


async def _sign_outs(made: Vendor, installation: Installation) -> tuple[list[float], list[float]]:
    """Seconds by event and by hand, in turns; the first ones end what the launches left, and warm up."""
    by_event, by_hand = list[float](), list[float]()
    async with made.data.stores() as stores:
        for _ in range(SIGN_OUTS + 1):
            for took, way in ((by_event, _by_event), (by_hand, _by_hand)):
                await _launch(made, installation)
                took.append(await way(made, installation, stores))
                await _at_rest(made, stores)
    return by_event[1:], by_hand[1:]


async def _at_rest(made: Vendor, stores: Stores) -> None:
    """Until the next launch is nothing to a sign-out: none is at work, and a second has passed, by which a sign-on may count as earlier."""
    over = made.talkdesk.state.clock() + timedelta(seconds=1)
    await eventually(lambda: made.talkdesk.state.clock() >= over, what="another second")
    await eventually(lambda: nothing_is_due(stores), what="nothing is at work")


async def _by_event(made: Vendor, installation: Installation, _stores: Stores) -> float:
    """From before the event is sent; it is made before."""
    [delivery] = await made.talkdesk.user_logout(installation.users[0], deliver=False)
    began = time.perf_counter()
    await made.talkdesk.deliver(delivery.event)
    return await _is_out(made, installation, began)


async def _by_hand(made: Vendor, installation: Installation, stores: Stores) -> float:
    """From the POST to Keycloak on."""
    person = AccountId(installation.account.id), TalkdeskUserId(installation.users[0].id)
    [sign_on] = [each for each in await stores.sign_ons.of_person(*person) if each.state is not SignOnState.ENDED]
    slug = slug_of(sign_on.installation)
    issuer = f"{made.broker.url}/oidc/{slug}"
    claims = logout_token_claims(issuer=issuer, client_id=client_id_of(slug), now=datetime.now(UTC), sid=sign_on.sid)
    token = (await SigningKeys.load(stores.issuer_keys)).sign(claims, TYPE)
    url = f"{made.keycloak.realm_url}/protocol/openid-connect/logout/backchannel-logout"
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        began = time.perf_counter()
        (await client.post(url, data={"logout_token": token})).raise_for_status()
        took = await _is_out(made, installation, began)
    await stores.sign_ons.end([sign_on.id])
    await stores.sign_ons.mark_told([sign_on.id])
    return took


async def _is_out(made: Vendor, installation: Installation, began: float) -> float:
    """Seconds until the app has ended every session of this customer's person."""
    user = installation.users[0].id
    until = began + 30
    while any(each.claims.get("talkdesk_user_id") == user for each in made.wallboard.signed_in):
        if time.perf_counter() > until:
            raise TimeoutError("somebody is still signed in")
        await asyncio.sleep(0.001)
    return time.perf_counter() - began
