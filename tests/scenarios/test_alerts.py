"""Sign-ons of an installation fail in a row: the operator hears of it, once, and no person waits for that."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from broker.alerts.sign_ons import plain
from broker.ports import Json
from demo.server import HttpServer
from demo.talkdesk import ACME, ANA, Endpoint, Installation
from tests.scenarios.test_sign_on import assert_recorded_page
from tests.waiting import eventually
from tests.world import OpenWorld, World

pytestmark = pytest.mark.thorough

AFTER = 3


@dataclass
class ChatTool:
    """Takes alerts, or answers what it is told to."""

    server: HttpServer = field(default_factory=HttpServer)
    taken: list[Json] = field(default_factory=list)
    asked: int = 0
    status: int = 200

    @property
    def url(self) -> str:
        """Its webhook; the address is the secret."""
        return f"{self.server.url}/hooks/known-secret-of-the-hook"

    async def take(self, request: Request) -> Response:
        """One alert."""
        self.asked += 1
        if self.status == 200:
            self.taken.append(await request.json())
        return Response(status_code=self.status)


@pytest.fixture
async def chat() -> AsyncIterator[ChatTool]:
    """A chat tool that listens."""
    chat = ChatTool()
    await chat.server.start(Starlette(routes=[Route("/hooks/{secret}", chat.take, methods=["POST"])]))
    yield chat
    await chat.server.stop()


def opened_with(opened: OpenWorld, chat: ChatTool) -> AbstractAsyncContextManager[World]:
    """A world whose operator listens there."""
    return opened(settings={"alert_url": SecretStr(chat.url), "alert_after": AFTER})


async def fail(world: World, installation: Installation, times: int) -> str:
    """So many launches that Talkdesk spoils; the last one's reference."""
    reference = ""
    for _ in range(times):
        world.talkdesk.faults.next(Endpoint.TOKEN, 500)
        reference = assert_recorded_page(await world.launch(world.browser(ANA), installation, ANA))
    return reference


async def test_failures_in_a_row_are_told_once(opened: OpenWorld, chat: ChatTool) -> None:
    """With what support needs to act before the customer asks; more of the same within the hour says nothing new."""
    async with opened_with(opened, chat) as world:
        installation = await world.install(ACME)
        await fail(world, installation, AFTER - 1)
        assert chat.asked == 0
        reference = await fail(world, installation, 1)
        await eventually(lambda: len(chat.taken) == 1, what="the operator is told")
        await fail(world, installation, AFTER)
        await world.broker.stop()
    [alert] = chat.taken
    assert alert["text"] == (
        f"Wallboard: the last 3 sign-ons of {ACME.name} failed. "
        f"The latest: talkdesk_failed at callback, reference {reference}."
    )
    assert alert["installation"] == installation.id
    assert (alert["in_a_row"], alert["reason"], alert["stage"]) == (AFTER, "talkdesk_failed", "callback")
    assert alert["reference"] == reference


async def test_a_launch_that_arrives_ends_the_row(opened: OpenWorld, chat: ChatTool) -> None:
    """Failures now and then wake nobody up."""
    async with opened_with(opened, chat) as world:
        installation = await world.install(ACME)
        await fail(world, installation, AFTER - 1)
        await world.launch(world.browser(ANA), installation, ANA)
        await fail(world, installation, AFTER - 1)
        streak = await world.broker.opened.stores.failures.streak(installation.id)
        assert streak is not None
        assert streak.in_a_row == AFTER - 1
        await fail(world, installation, 1)
        await eventually(lambda: len(chat.taken) == 1, what="the operator is told")


async def test_an_alert_survives_a_restart_and_a_deaf_webhook(opened: OpenWorld, chat: ChatTool) -> None:
    """It is a task: due until it is taken. No page waits for it, and the address is in no row."""
    async with opened_with(opened, chat) as world:
        installation = await world.install(ACME)
        chat.status = 503
        await fail(world, installation, AFTER)
        await eventually(lambda: chat.asked > 0, what="the operator was called")
        await world.broker.stop()
        kept = (world.broker.folder / "broker.sqlite3").read_bytes()
        chat.status = 200
        await world.broker.start()
        await eventually(lambda: len(chat.taken) == 1, what="the operator is told after all")
    assert b"known-secret-of-the-hook" not in kept


async def test_an_alert_that_is_over_is_not_told(opened: OpenWorld, chat: ChatTool) -> None:
    """Sign-on works again before the webhook does."""
    async with opened_with(opened, chat) as world:
        installation = await world.install(ACME)
        chat.status = 503
        await fail(world, installation, AFTER)
        await eventually(lambda: chat.asked > 0, what="the operator was called")
        await world.launch(world.browser(ANA), installation, ANA)
        chat.status = 200

        async def nothing_is_due() -> bool:
            rows = await world.broker.opened.stores.backlog.count()
            return not any(row.kind == "alert" for row in rows)

        await eventually(nothing_is_due, what="the alert is let go")
    assert chat.taken == []


async def test_a_door_that_is_closed_on_purpose_wakes_nobody_up(opened: OpenWorld, chat: ChatTool) -> None:
    """On record, and no alert."""
    async with opened_with(opened, chat) as world:
        installation = await world.install(ACME)
        await world.talkdesk.uninstall(installation)
        for _ in range(AFTER + 1):
            page = await world.launch(world.browser(ANA), installation, ANA)
            assert page.status == 403
        assert await world.broker.opened.stores.failures.streak(installation.id) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Acme, Inc.", "Acme, Inc"),
        ("<!channel> @here <https://evil.example|click>", "channel here https evil example click"),
        ("![x](https://evil.example/x.png)", "x https evil example x png"),
        ("Übung – ☎\n\u202e*b*", "Übung b"),
        ("x" * 500, "x" * 80),
    ],
)
def test_a_customers_name_is_only_words_in_a_chat(name: str, words: str) -> None:
    """A customer chooses it: no mention, link or picture comes of it."""
    assert plain(name) == words
