"""Two brokers on one PostgreSQL, of which each has every second request: all that a sign-on needs is in the database."""

from itertools import pairwise

import pytest

from broker.model.names import InstallationId, slug_of
from demo.browser import Browser
from demo.talkdesk import ACME, ANA, BRUNO, Installation, User
from tests.crashes.surroundings import Surroundings
from tests.waiting import eventually
from tests.world import another_second, users_of

pytestmark = [pytest.mark.postgresql, pytest.mark.parametrize("around", ["postgresql"], indirect=True)]


async def launched(around: Surroundings, browser: Browser, installation: Installation, user: User) -> list[str]:
    """What was asked of the brokers on the way into the app: each by the other one than what was asked before it."""
    around.talkdesk.sign_in(browser, user)
    around.balancer.served.clear()
    page = await browser.open(around.talkdesk.launch_url(installation, user), on=around.talkdesk.url)
    assert page.url == f"{around.wallboard.url}/", page.text
    served = tuple(around.balancer.served)
    assert all(one[0] != other[0] for one, other in pairwise(served)), served
    return [request for _, request in served]


async def test_every_hop_lands_on_the_other_replica(around: Surroundings) -> None:
    """A first sign-on, the own session, another person at the same browser, and a sign-out: beginning at either of the two."""
    for name in ("one", "two"):
        await around.broker(name).start()
    installation = await around.talkdesk.install(ACME, around.talkdesk.app("Wallboard"))
    await around.talkdesk.until_answered(installation, seconds=60)
    around.balancer.serves_by_request = True
    issuer = f"/oidc/{slug_of(InstallationId(installation.id))}"
    hops = ["GET /talkdesk/launch", f"GET {issuer}/authorize", "GET /talkdesk/callback", f"POST {issuer}/token"]
    for _ in range(2):
        async with Browser() as browser:
            first = await launched(around, browser, installation, ANA)
            assert [each for each in first if each != "GET /oidc/jwks"] == [*hops, "GET /launch/return"]
            assert await launched(around, browser, installation, ANA) == ["GET /talkdesk/launch", "GET /launch/return"]
            assert "GET /talkdesk/callback" in await launched(around, browser, installation, BRUNO)
            assert users_of(around.wallboard) == [BRUNO.id]
            await around.talkdesk.user_logout(BRUNO)
            await eventually(lambda: not around.wallboard.signed_in, what="Bruno is out")
            await another_second(around.talkdesk)
            # One more, so that the next round begins at the other one.
            await browser.open(f"{around.balancer.url}/health/live")
