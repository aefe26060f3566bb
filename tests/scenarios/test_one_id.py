"""One request id through all: a delivery's stands in the lines of every task that follows from its event."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from demo.talkdesk import ACME, ANA
from tests.waiting import eventually
from tests.world import World

pytestmark = pytest.mark.thorough


def lines_of(logs: Sequence[Mapping[str, Any]], event: str, **given: str) -> list[Mapping[str, Any]]:
    """Those that say this, of this."""
    return [line for line in logs if line["event"] == event and given.items() <= line.items()]


def done(logs: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Request id by kind of the tasks that are done."""
    return {line["kind"]: line["request_id"] for line in lines_of(logs, "a task is done")}


async def test_the_tasks_of_an_install_have_the_id_of_its_delivery(world: World) -> None:
    """Also the answer, which is asked for by the converge and not by the event."""
    with capture_logs([merge_contextvars]) as logs:
        await world.install(ACME)
        await eventually(lambda: {"converge", "answer"} <= set(done(logs)), what="the line of the answer is there")
    [taken] = lines_of(logs, "event taken", type="app.installed")
    assert done(logs) == {"converge": taken["request_id"], "answer": taken["request_id"]}


async def test_a_sign_out_has_the_id_of_its_delivery(world: World) -> None:
    """In what is said on the way, too."""
    installation = await world.install(ACME)
    await world.launch(world.browser(), installation, ANA)
    with capture_logs([merge_contextvars]) as logs:
        await world.talkdesk.user_logout(ANA)
        await eventually(lambda: "sign out" in done(logs), what="she is signed out")
    [taken] = lines_of(logs, "event taken", type="user.logout")
    [told] = lines_of(logs, "signed out")
    assert {told["request_id"], done(logs)["sign out"]} == {taken["request_id"]}


async def test_asked_for_again_it_has_the_id_of_the_last(world: World) -> None:
    """The converge of an uninstall is not the install's."""
    installation = await world.install(ACME)
    with capture_logs([merge_contextvars]) as logs:
        await world.talkdesk.uninstall(installation)
        await eventually(lambda: "converge" in done(logs), what="it is withdrawn")
    [taken] = lines_of(logs, "event taken", type="app.uninstalled")
    assert done(logs)["converge"] == taken["request_id"]
