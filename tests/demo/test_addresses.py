"""Behind somebody else's TLS the links name other hosts than the stand-in listens on."""

import pytest

from demo.browser import Browser
from demo.talkdesk import ACME, ANA, StandIn, apps_at
from tests.demo.partner import Partner


@pytest.fixture
async def elsewhere(partner: Partner) -> StandIn:
    """Page, gateway and each account have a host of their own."""
    talkdesk = StandIn(
        apps=apps_at(partner.server.url),
        page_url="https://talkdesk.example:8443",
        gateway_url="https://api.talkdesk.example",
        account_url="https://{account}.talkdesk.example",
        cookie_domain="talkdesk.example",
    )
    await talkdesk.start()
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    await talkdesk.stop()
    return talkdesk


async def test_links_name_the_public_hosts(elsewhere: StandIn, partner: Partner) -> None:
    """Every link of an event is one that a broker outside can follow."""
    received = partner.received[0]
    assert received.link("root") == "https://api.talkdesk.example"
    assert received.link("userinfo") == "https://api.talkdesk.example/userinfo"
    assert received.link("authorization") == "https://acme.talkdesk.example/acme/oauth/authorize"
    assert received.link("token") == "https://acme.talkdesk.example/acme/oauth/token"


async def test_session_reaches_the_account_hosts(elsewhere: StandIn, browser: Browser) -> None:
    """Who signed in on the page is signed in at every account's host, over https only, and nowhere else."""
    elsewhere.sign_in(browser, ANA)
    sent = {
        url: "talkdesk_session=" in browser.cookies.header_for(url)
        for url in ("https://acme.talkdesk.example/", "http://acme.talkdesk.example/", "https://other.example/")
    }
    assert list(sent.values()) == [True, False, False]
