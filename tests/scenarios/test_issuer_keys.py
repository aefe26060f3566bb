"""The issuers' key is rotated under people who sign on and out: nobody notices."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from broker.issuer.rotation import begin_rotation
from broker.storage import schema
from demo.talkdesk import ACME, ANA, BRUNO
from tests.world import World, users_of

pytestmark = pytest.mark.thorough


async def its_turn_comes(world: World) -> None:
    """As if the time had passed for which a new key is published before it signs."""
    database = world.broker.opened.stores.issuer_keys._database  # type: ignore[attr-defined]
    await database.write(lambda connection: connection.execute(update(schema.issuer_key).values(signs_from=0)))


async def test_the_issuers_key_rotates_with_no_failed_sign_on(world: World) -> None:
    """Keycloak has the new key before anything is signed with it; then sign-ons and sign-outs are, also of who signed on before."""
    installation = await world.install(ACME)
    keys, store = world.broker.opened.keys, world.broker.opened.stores.issuer_keys
    [old] = [each["kid"] for each in keys.public_set()["keys"]]
    assert await begin_rotation(store, timedelta(hours=1))
    await keys.follow(store)
    await world.launch(world.browser(ANA), installation, ANA)
    await its_turn_comes(world)
    await keys.follow(store)
    new, also = [each["kid"] for each in keys.public_set()["keys"]]
    assert new != old == also
    await world.launch(world.browser(BRUNO), installation, BRUNO)
    assert users_of(world.wallboard) == sorted([ANA.id, BRUNO.id])
    await world.another_second()
    for user in (ANA, BRUNO):
        await world.talkdesk.user_logout(user)
    await world.signed_out(world.wallboard)
    assert await store.forget_replaced(timedelta(0)) == 1
    await keys.follow(store)
    assert [each["kid"] for each in keys.public_set()["keys"]] == [new]
