"""`broker check` on a real Keycloak."""

from typing import Any

from broker.check.finding import Verdict
from demo.talkdesk import ACME
from tests.scenarios.test_check import EXPECTED_WARNINGS, in_five_minutes, lines
from tests.world import World


async def test_a_real_keycloak_is_as_it_should_be(world: World) -> None:
    """Address, clock, roles, both clients, and its way to us; a clock that is off is found without any `Date` of Keycloak's."""
    await world.install(ACME)
    found = await lines(world)
    assert {each.check: each.found for each in found.values() if each.verdict is Verdict.WRONG} == {}
    assert {each.check for each in found.values() if each.verdict is Verdict.WARNING} <= EXPECTED_WARNINGS
    assert (await lines(world, in_five_minutes))["Keycloak's clock"].verdict is Verdict.WRONG


async def test_a_real_keycloak_says_what_is_wrong(world: World) -> None:
    """Its answers to wrong secrets, a redirect URI that is not registered, and an address where nobody is."""
    wrong: dict[str, Any] = {
        "keycloak_launch_client_secret": world.broker.settings.keycloak_client_secret,
        "public_url": "http://127.0.0.1:9",
        "internal_url": "http://127.0.0.1:9",
    }
    found = await lines(world, **wrong)
    names = ("launch client", "launches", "Keycloak reaches the broker")
    assert {name: found[name].verdict for name in names} == dict.fromkeys(names, Verdict.WRONG)
    other = await lines(world, keycloak_client_secret=world.broker.settings.keycloak_launch_client_secret)
    assert other["service account"].verdict is Verdict.WRONG
