"""Delivery: at least once, three attempts at most, and in whatever order a test likes."""

import pytest

from demo.talkdesk import ACME, Installation, StandIn, apps_at
from tests.demo.partner import Partner


@pytest.fixture
async def installation(talkdesk: StandIn) -> Installation:
    return await talkdesk.install(ACME, talkdesk.app("Wallboard"))


async def test_three_attempts_and_no_more(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """After an error answer twice more, the same body; then never again."""
    partner.answers += [500, 404, 503, 500]
    delivery = await talkdesk.uninstall(installation)
    await talkdesk.retry_now(delivery)
    await talkdesk.retry_now(delivery)
    await talkdesk.wait_until(lambda: delivery.is_given_up, what="given up")
    assert [each.status for each in delivery.attempts] == [500, 404, 503]
    assert len({each.body for each in partner.received[1:]}) == 1
    with pytest.raises(ValueError, match="nothing is left"):
        await talkdesk.retry_now(delivery)


async def test_retries_come_by_themselves(partner: Partner) -> None:
    """After 5 and 10 minutes, here made shorter by a factor; a success ends them."""
    partner.answers += [500, 500]
    talkdesk = StandIn(apps=apps_at(partner.server.url), retry_factor=0.0001)
    await talkdesk.start()
    installation = await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    delivery = installation.deliveries[0]
    await talkdesk.wait_until(lambda: delivery.is_accepted, what="delivered")
    assert [each.status for each in delivery.attempts] == [500, 500, 202]
    await talkdesk.stop()


async def test_receiver_that_is_down(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """No answer counts as an error, and is on record with its reason."""
    await partner.server.stop()
    delivery = await talkdesk.uninstall(installation)
    assert (delivery.status, delivery.attempts[0].error, delivery.is_accepted) == (None, "ConnectError", False)


async def test_held_back_event_and_false_signature(talkdesk: StandIn, partner: Partner) -> None:
    """A test may send late, twice, or with other headers than Talkdesk would."""
    installation = await talkdesk.install(ACME, talkdesk.app("Wallboard"), deliver=False)
    event = installation.deliveries[0].event
    assert partner.received == []
    await talkdesk.deliver(event)
    await talkdesk.deliver(event, headers={})
    first, second = partner.received
    assert first.body == second.body
    assert "x-hub-ecdsa-signature" not in second.headers


async def test_secrets_are_not_in_what_is_shown(
    talkdesk: StandIn, partner: Partner, installation: Installation
) -> None:
    """Neither the repr of a delivery nor the page nor the control API holds the private key or the secret."""
    pages = [await partner.client.get(talkdesk.url + path) for path in ("/", "/home/feed", "/control/state")]
    shown = [repr(talkdesk.deliveries), repr(installation), *(page.text for page in pages)]
    data = partner.received[0].data
    for secret in (data["private_key"], data["client_secret"]):
        assert not [text for text in shown if secret in text]
