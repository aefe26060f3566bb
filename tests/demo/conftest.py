"""A stand-in, a partner for it and a browser, all on loopback."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from demo.browser import Browser
from demo.talkdesk import ANA, StandIn, Variants, apps_at
from tests.demo.partner import Partner

Started = Callable[[Variants], Awaitable[StandIn]]


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    partner = Partner()
    await partner.start()
    yield partner
    await partner.stop()


@pytest.fixture
async def start(partner: Partner) -> AsyncIterator[Started]:
    """Starts a stand-in with one reading of what the documentation leaves open."""
    started: list[StandIn] = []

    async def with_variants(variants: Variants) -> StandIn:
        stand_in = StandIn(apps=apps_at(partner.server.url), variants=variants)
        await stand_in.start()
        started.append(stand_in)
        return stand_in

    yield with_variants
    for stand_in in started:
        await stand_in.stop()


@pytest.fixture
async def talkdesk(start: Started) -> StandIn:
    return await start(Variants())


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with Browser() as browser:
        yield browser


@pytest.fixture
def anas_browser(talkdesk: StandIn, browser: Browser) -> Browser:
    """Ana is signed in to Talkdesk in it."""
    talkdesk.sign_in(browser, ANA)
    return browser
