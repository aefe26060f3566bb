"""Two brokers on one PostgreSQL: one is killed, or frozen past its lease and thawed."""

import random

import httpx
import pytest

from demo.talkdesk import ACME, ANA, Installation
from tests.crashes.customers import Customers
from tests.crashes.effects import (
    leases,
    missing,
    open_tasks,
    owner_of,
    reconcile,
    refused_though_taken,
    taken_events,
    until_none,
)
from tests.crashes.surroundings import LEASE_S, Surroundings
from tests.processes import BrokerProcess
from tests.waiting import eventually

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.parametrize("around", ["postgresql"], indirect=True),
    pytest.mark.timeout(400),
]

PROVIDERS = "/admin/realms/talkdesk/identity-provider/instances"
_SLACK_S = 20


async def test_the_other_one_takes_over_what_a_killed_one_had_begun(around: Surroundings) -> None:
    """It never comes back. Its leases run out, and all that was taken by either is done by the other."""
    customers = Customers(
        around.talkdesk, around.talkdesk.app("Wallboard"), f"{around.wallboard.url}/", random.Random()
    )
    one, two = await _two(around)
    async with customers.busy():
        await around.talkdesk.wait_until(lambda: len(_accepted(around)) > 20, what="both are at work", seconds=120)
        await eventually(lambda: str(one.pid) in str(_owners(around)), what="one has tasks under way", seconds=60)
        one.kill()
        dead = leases(around)
        before = len(_accepted(around))
        await eventually(lambda: not dead & leases(around), what="dead leases ran out", seconds=LEASE_S + _SLACK_S)
        await around.talkdesk.wait_until(lambda: len(_accepted(around)) > before, what="the other goes on", seconds=60)
    await until_none(lambda: open_tasks(around), what="nothing is due any more", seconds=120)
    await until_none(lambda: missing(around, customers.signed_on), what="all is as the events say", seconds=30)
    assert not refused_though_taken(around)
    assert not two.complaints()
    assert taken_events(around)


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_a_thawed_one_opens_no_door_that_was_closed_meanwhile(around: Surroundings, method: str) -> None:
    """Frozen while it sets up an identity provider; meanwhile the other one finishes that, and the app is uninstalled.

    What the frozen one had asked of Keycloak is done when it thaws. That lets nobody in, and one reconcile clears it away.
    """
    one, two = await _two(around)
    around.keycloak.hang(PROVIDERS, method=method)
    installation = await around.talkdesk.install(ACME, around.talkdesk.app("Wallboard"))
    await around.keycloak.hangs()
    frozen, other = await _freeze(around, installation, one, two)
    await around.talkdesk.until_answered(installation, seconds=LEASE_S + _SLACK_S)
    await around.talkdesk.uninstall(installation)
    await until_none(lambda: open_tasks(around), what="the other has done all", seconds=60)
    await until_none(lambda: missing(around, []), what="all is as the events say", seconds=60)

    before = _asked(around, method)
    around.keycloak.release()
    await _thaw(around, frozen)
    assert _asked(around, method) > before, "what the frozen one had asked for was not done"
    await _is_closed(installation, frozen, other)
    await reconcile(around, installation)
    await until_none(lambda: open_tasks(around), what="it was looked at again", seconds=60)
    await until_none(lambda: missing(around, []), what="all is as the events say", seconds=30)
    await _is_closed(installation, frozen, other)
    assert not frozen.complaints() + other.complaints()


async def test_a_thawed_one_closes_no_door_that_was_opened_meanwhile(around: Surroundings) -> None:
    """Frozen while it takes an identity provider away; meanwhile the other one does, and the app is installed again, and used."""
    one, two = await _two(around)
    installation = await around.talkdesk.install(ACME, around.talkdesk.app("Wallboard"))
    await around.talkdesk.until_answered(installation, seconds=60)
    around.keycloak.hang(PROVIDERS, method="DELETE")
    await around.talkdesk.uninstall(installation)
    await around.keycloak.hangs()
    frozen, other = await _freeze(around, installation, one, two)
    await eventually(lambda: not open_tasks(around), what="the other has withdrawn it", seconds=LEASE_S + _SLACK_S)
    await around.talkdesk.install_again(installation)
    await around.talkdesk.until_answered(installation, seconds=60)

    around.keycloak.release()
    await _thaw(around, frozen)
    await reconcile(around, installation)
    await until_none(lambda: open_tasks(around), what="it was looked at again", seconds=60)
    alias = f"talkdesk-{installation.id}"
    assert [each for each in around.keycloak.identity_providers if each.startswith(alias)] == [f"{alias}-2"]
    customers = Customers(
        around.talkdesk, around.talkdesk.app("Wallboard"), f"{around.wallboard.url}/", random.Random()
    )
    await customers.sign_on(installation, ANA)
    assert customers.signed_on, "nobody can sign on"
    assert not frozen.complaints() + other.complaints()


async def _two(around: Surroundings) -> tuple[BrokerProcess, BrokerProcess]:
    one, two = around.broker("one"), around.broker("two")
    one.spawn()
    two.spawn()
    await one.until_ready()
    await two.until_ready()
    return one, two


async def _freeze(
    around: Surroundings, installation: Installation, one: BrokerProcess, two: BrokerProcess
) -> tuple[BrokerProcess, BrokerProcess]:
    """Freeze the one that is at this installation's converge; the balancer knows. It first, the other second."""
    frozen, other = (one, two) if owner_of(around, installation.id) == one.pid else (two, one)
    frozen.freeze()
    around.balancer.ports.remove(frozen.port)
    held = leases(around)
    assert held, "the frozen one has no lease"
    await eventually(lambda: not held & leases(around), what="the lease ran out", seconds=LEASE_S + _SLACK_S)
    return frozen, other


async def _thaw(around: Surroundings, frozen: BrokerProcess) -> None:
    """It goes on, and it has found out that its lease is over when the line about it is in its log."""
    frozen.thaw()
    around.balancer.ports.append(frozen.port)
    await frozen.until_ready()
    await eventually(
        lambda: any(each["event"] in _ENDS for each in frozen.log_lines()), what="the frozen task has ended", seconds=60
    )


_ENDS = ("a task took too long", "a task failed", "a task is done")


async def _is_closed(installation: Installation, *brokers: BrokerProcess) -> None:
    """Neither a launch nor the issuer lets anybody in, at any of them."""
    async with httpx.AsyncClient(trust_env=False) as client:
        for broker in brokers:
            launch = (
                f"{broker.url}/talkdesk/launch?talkdesk_installation_id={installation.id}&talkdesk_user_id={ANA.id}"
            )
            for url in (launch, f"{broker.url}/oidc/{installation.id}/authorize"):
                assert (await client.get(url)).status_code == 403, url


def _asked(around: Surroundings, method: str) -> int:
    """How many requests of this kind Keycloak has answered."""
    return sum(1 for each in around.keycloak.requests if each.method == method and each.path.startswith(PROVIDERS))


def _accepted(around: Surroundings) -> list[str]:
    return [each.event.id for each in around.talkdesk.deliveries if each.is_accepted]


def _owners(around: Surroundings) -> list[str]:
    return [row.owner for row in around.data.rows("SELECT owner FROM task WHERE state = 'leased'")]
