"""The task that delivers: until when it tries, and that one app waits for no other."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from broker.errors import AppError, NotYet
from broker.logout.deliver import Deliver, RelayedApp, Settle
from broker.model.delivery import ReceivedToken
from broker.model.task import Claim, Task, TaskKind
from broker.observation import Unobserved
from broker.storage.stores import Stores
from tests.contracts.stores import NOW, at
from tests.stores import opened_stores


class App:
    """Never confirms."""

    def __init__(self, clock: "Clock") -> None:
        self._clock = clock
        self.tried: list[float] = []

    async def post(self, logout_token: str, within: timedelta) -> int:
        assert logout_token == "token"
        self.tried.append((self._clock.now - NOW).total_seconds())
        raise AppError("ConnectError")


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class Outcomes(Unobserved):
    """Remembers what was said of deliveries."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def logout_delivered(self, relay: str, outcome: str) -> None:
        self.seen.append((relay, outcome))


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    """Real ones."""
    async with opened_stores(tmp_path) as stores:
        yield stores


async def test_an_app_that_never_answers_is_tried_until_the_token_is_about_to_expire(
    stores: Stores,
) -> None:
    """Then it is settled, and counted."""
    clock, outcomes = Clock(), Outcomes()
    app = App(clock)
    settle = Settle(stores.deliveries, clock, outcomes)
    deliver = Deliver({"wallboard": RelayedApp("wallboard", "wallboard", app)}, stores.deliveries, settle, clock)
    token = ReceivedToken("wallboard", "jti", None, "user", at(120), "token")
    assert await stores.deliveries.receive(token, NOW, NOW)
    claim = Claim(Task(TaskKind.DELIVER, "wallboard"), "test", 1, 0)
    for _ in range(20):
        try:
            await deliver(claim)
            break
        except NotYet as waits:
            clock.now += waits.after
    assert app.tried == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5, 95.5, 118]
    assert outcomes.seen == [("wallboard", "expired")]
    assert await stores.deliveries.next_due("wallboard") is None


async def test_what_waits_for_a_relay_that_is_gone_is_settled(stores: Stores) -> None:
    """Taken out of the configuration: nobody is called."""
    outcomes = Outcomes()
    settle = Settle(stores.deliveries, lambda: NOW, outcomes)
    token = ReceivedToken("removed", "jti", None, "user", at(120), "token")
    assert await stores.deliveries.receive(token, NOW, NOW)
    deliver = Deliver({}, stores.deliveries, settle, lambda: NOW)
    await deliver(Claim(Task(TaskKind.DELIVER, "removed"), "test", 1, 0))
    assert outcomes.seen == [("removed", "expired")]
