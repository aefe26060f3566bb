"""A sign-out that did not reach an app: the operator hears of it, at most once an hour for each app, and of every one."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from broker.alerts.sign_outs import AlertOfSignOuts
from broker.errors import NotYet
from broker.model.delivery import DeliveryState, ReceivedToken
from broker.model.task import Claim, Task, TaskKind
from broker.ports import Json
from broker.storage.stores import Stores
from demo.talkdesk import ANA
from tests.contracts.stores import NOW, at
from tests.scenarios.test_alerts import ChatTool, chat
from tests.scenarios.test_relay import settled, sign_on_to_both
from tests.stores import opened_stores
from tests.waiting import eventually
from tests.world import OpenWorld

pytestmark = pytest.mark.thorough

__all__ = ["chat"]

CLAIM = Claim(Task(TaskKind.ALERT_UNDELIVERED, "wallboard"), "test", 1, 0)


async def test_an_undelivered_sign_out_is_told(opened: OpenWorld, chat: ChatTool) -> None:
    """Which app, how many, what it answered, and where to look; the app that confirmed is not in it."""
    async with opened(relayed=True, settings={"alert_url": SecretStr(chat.url)}) as world:
        await sign_on_to_both(world)
        world.fronts["wallboard"].will(400)
        await world.talkdesk.user_logout(ANA)
        await settled(world, "undelivered")
        await eventually(lambda: len(chat.taken) == 1, what="the operator is told")
        await world.broker.stop()
    [alert] = chat.taken
    assert alert.pop("text") == (
        "wallboard: a sign-out was not delivered, so people may still be signed in there. The latest: refused (400). "
        "All of them: broker logouts deliveries --relay wallboard"
    )
    number = alert.pop("delivery")
    assert isinstance(number, int)
    assert alert == {"relay": "wallboard", "undelivered": 1, "state": "refused", "answer": "400"}


class Told:
    """Port `Webhook`, at a time of its own."""

    def __init__(self, stores: Stores) -> None:
        self.taken: list[Any] = []
        self.seconds = 0.0
        self.alert = AlertOfSignOuts(stores.deliveries, {}, self, lambda: at(self.seconds))

    async def post(self, content: Json) -> None:
        """As the port says."""
        self.taken.append(content)


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    """Real ones."""
    async with opened_stores(tmp_path) as stores:
        yield stores


async def undelivered(stores: Stores, jti: str, relay: str = "wallboard") -> None:
    """A token that expires."""
    number = await stores.deliveries.receive(ReceivedToken(relay, jti, None, "user", at(120), "token"), NOW, NOW)
    assert number is not None
    for _ in range(2):
        await stores.deliveries.settle(number, DeliveryState.EXPIRED, NOW, "503")


async def test_of_one_app_it_is_told_once_an_hour_and_nothing_is_left_out(stores: Stores) -> None:
    """What comes within the hour is told at its end, in one word."""
    told = Told(stores)
    await undelivered(stores, "a")
    await told.alert(CLAIM)
    for jti in ("b", "c"):
        await undelivered(stores, jti)
    told.seconds = 600
    with pytest.raises(NotYet) as waits:
        await told.alert(CLAIM)
    assert waits.value.after.total_seconds() == 3000
    told.seconds = 3600
    await told.alert(CLAIM)
    await told.alert(CLAIM)
    assert [each["undelivered"] for each in told.taken] == [1, 2]
    assert "2 sign-outs were not delivered" in told.taken[1]["text"]


async def test_each_app_has_an_hour_of_its_own(stores: Stores) -> None:
    """The task of each is asked for, and one that was confirmed asks for none."""
    await undelivered(stores, "a")
    await undelivered(stores, "b", relay="notes")
    number = await stores.deliveries.receive(ReceivedToken("x", "c", None, "user", at(120), "token"), NOW, NOW)
    assert number is not None
    await stores.deliveries.settle(number, DeliveryState.CONFIRMED, NOW, "200")
    claims = await stores.tasks.claim("test", {TaskKind.ALERT_UNDELIVERED: 10}, at(60) - NOW)
    assert sorted(claim.task.key for claim in claims) == ["notes", "wallboard"]
    told = Told(stores)
    for claim in claims:
        await told.alert(claim)
    assert sorted(each["relay"] for each in told.taken) == ["notes", "wallboard"]


async def test_what_is_told_of_may_be_forgotten_by_then(stores: Stores) -> None:
    """The record is deleted after thirty days, perhaps before a webhook that is down for as long listens again."""
    await undelivered(stores, "a")
    await stores.deliveries.forget(at(60))
    told = Told(stores)
    await told.alert(CLAIM)
    assert [each["state"] for each in told.taken] == ["not known any more"]
