"""What is over is tidied up, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from broker.housekeeping import KEPT, tidy
from broker.model.delivery import ReceivedToken
from broker.model.sign_on import SignOnState
from tests.contracts.stores import sign_on
from tests.stores import opened_stores

NOW = datetime.now(UTC)
LONGEST = timedelta(hours=10)


async def test_sign_ons_end_with_the_longest_session(tmp_path: Path) -> None:
    """One that could still be a session stays."""
    async with opened_stores(tmp_path) as stores:
        over = replace(sign_on(), created_at=NOW - LONGEST - timedelta(seconds=1))
        alive = replace(sign_on(), created_at=NOW - LONGEST + timedelta(minutes=1))
        for each in (over, alive):
            assert await stores.sign_ons.save(each)
        await tidy(stores, LONGEST, lambda: NOW)
        states = [await stores.sign_ons.find(each.id) for each in (over, alive)]
    assert [each.state for each in states if each] == [SignOnState.ENDED, SignOnState.CODE_ISSUED]


async def test_tokens_go_when_they_expire_and_records_later(tmp_path: Path) -> None:
    """An open delivery without its token is settled as expired by its task."""
    async with opened_stores(tmp_path) as stores:
        token = ReceivedToken("app", "jti", "session", "user", NOW + timedelta(minutes=2), "known-token")
        assert await stores.deliveries.receive(token, NOW, NOW)
        await tidy(stores, LONGEST, lambda: NOW + timedelta(minutes=1))
        [delivery] = await stores.deliveries.due("app", NOW, 10)
        assert delivery.token == "known-token"
        await tidy(stores, LONGEST, lambda: NOW + timedelta(minutes=3))
        [delivery] = await stores.deliveries.due("app", NOW, 10)
        assert delivery.token is None
        await tidy(stores, LONGEST, lambda: NOW + KEPT + timedelta(seconds=1))
        assert await stores.deliveries.due("app", NOW, 10) == []
