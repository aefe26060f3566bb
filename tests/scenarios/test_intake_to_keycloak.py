"""What an event does to Keycloak, on the wire."""

import json

from demo.talkdesk import ACME, Endpoint
from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.test_sign_out import no_task_is_due
from tests.waiting import eventually
from tests.world import World


async def test_a_second_delivery_of_an_install_writes_nothing_to_keycloak(
    world: World, keycloak: KeycloakImitation
) -> None:
    """200, no write, no second answer to Talkdesk."""
    installation = await world.install(ACME)
    await eventually(lambda: no_task_is_due(world), what="everything is done")
    writes, answers = len(keycloak.writes()), len(world.talkdesk.calls_to(Endpoint.STATE))
    assert writes > 0
    delivery = await world.talkdesk.deliver(installation.deliveries[0].event)
    assert delivery.status == 200
    await eventually(lambda: no_task_is_due(world), what="nothing is left to do")
    assert len(keycloak.writes()) == writes
    assert len(world.talkdesk.calls_to(Endpoint.STATE)) == answers


async def test_the_same_install_under_another_event_id_writes_nothing_to_keycloak(
    world: World, keycloak: KeycloakImitation
) -> None:
    """It converges again and finds everything as it should be."""
    installation = await world.install(ACME)
    await eventually(lambda: no_task_is_due(world), what="everything is done")
    writes, asked = len(keycloak.writes()), len(keycloak.requests)
    first = json.loads(installation.deliveries[0].event.body)
    links = {name: link["href"] for name, link in first["_links"].items()}
    again = world.talkdesk.make_event("app.installed", installation.app, first["data"], links)
    assert (await world.talkdesk.deliver(again)).status == 202
    await eventually(lambda: len(keycloak.requests) > asked, what="Keycloak was looked at again")
    await eventually(lambda: no_task_is_due(world), what="nothing is left to do")
    assert len(keycloak.writes()) == writes
