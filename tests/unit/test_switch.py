"""Whether an identity provider is switched on, as a launch wants to know it."""

import asyncio

import pytest

from broker.errors import KeycloakError
from broker.launch import switch
from broker.launch.switch import HOLDS_S, Position, Switches
from broker.model.names import Alias
from broker.ports import Json
from broker.realm.in_memory import InMemoryIdentityProviders

ACME = Alias("talkdesk-acme")


class Realm(InMemoryIdentityProviders):
    """The twin, that counts what it is asked, and can be made to fail or to hang."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.error: KeycloakError | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    async def find(self, alias: Alias) -> Json | None:
        """As the port says."""
        self.asked += 1
        await self.answers.wait()
        if self.error:
            raise self.error
        return await super().find(alias)


class Clock:
    """Moves when it is told to."""

    now_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


async def test_the_switch_is_seen_and_so_is_that_it_is_gone() -> None:
    """Within seconds of the administrator's click."""
    realm, clock = Realm(), Clock()
    switches = Switches(realm, clock)
    assert await switches.position(ACME) is Position.GONE
    await realm.create({"alias": ACME, "enabled": True, "config": {}})
    clock.now_s += HOLDS_S
    assert await switches.position(ACME) is Position.ON
    await realm.replace({"alias": ACME, "enabled": False, "config": {}})
    assert await switches.position(ACME) is Position.ON, "an answer holds for a moment"
    clock.now_s += HOLDS_S
    assert await switches.position(ACME) is Position.OFF


async def test_a_crowd_asks_once() -> None:
    """However many launches come while Keycloak is asked; one that goes away takes nothing from the others."""
    realm = Realm()
    realm.answers.clear()
    switches = Switches(realm, Clock())
    crowd = [asyncio.create_task(switches.position(ACME)) for _ in range(20)]
    await asyncio.sleep(0)
    crowd[0].cancel()
    realm.answers.set()
    assert set(await asyncio.gather(*crowd[1:])) == {Position.GONE}
    assert realm.asked == 1


async def test_a_keycloak_that_does_not_answer_closes_no_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither one that fails nor one that hangs."""
    realm, clock = Realm(), Clock()
    switches = Switches(realm, clock)
    realm.error = KeycloakError("down", status=503)
    assert await switches.position(ACME) is Position.ON
    clock.now_s += HOLDS_S
    realm.answers.clear()
    monkeypatch.setattr(switch, "WITHIN_S", 0.01)
    assert await switches.position(ACME) is Position.ON


async def test_what_is_remembered_is_limited() -> None:
    """By number: aliases are as many as installations."""
    realm = Realm()
    switches = Switches(realm, Clock())
    for number in range(switch._MOST + 10):
        await switches.position(Alias(f"talkdesk-{number}"))
    assert len(switches._asked) == switch._MOST
