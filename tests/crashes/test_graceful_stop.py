"""A service that is told to stop (`TERM`) ends in good order: no request is cut, no task is left leased, exit code 0."""

import asyncio

import httpx

from demo.talkdesk import ACME, Silence
from demo.talkdesk.wire import Endpoint
from tests.crashes.surroundings import Surroundings
from tests.waiting import eventually


async def test_a_request_that_is_under_way_gets_its_answer(around: Surroundings) -> None:
    """Nobody gets in any more, and who is in is answered."""
    broker = around.broker()
    await broker.start()
    around.talkdesk.faults.next(Endpoint.SIGNATURE_KEY, Silence.HANG)
    sending = asyncio.create_task(around.talkdesk.install(ACME, around.talkdesk.app("Wallboard")))
    await eventually(lambda: around.talkdesk.faults.left(Endpoint.SIGNATURE_KEY) == 0, what="it asks for the key")
    stopping = asyncio.create_task(broker.stop())
    await eventually(lambda: _is_closed(broker.url), what="nobody gets in")
    assert not sending.done()
    around.talkdesk.faults.clear()
    [delivery] = (await sending).deliveries
    assert delivery.attempts[0].status == 503, "an answer: the key could not be fetched"
    assert await stopping == 0


async def test_a_task_that_is_under_way_is_given_back(around: Surroundings) -> None:
    """Talkdesk does not answer it; the next service has not to wait for a lease to run out."""
    broker = around.broker()
    await broker.start()
    around.talkdesk.faults.next(Endpoint.STATE, Silence.HANG)
    await around.talkdesk.install(ACME, around.talkdesk.app("Wallboard"))
    await eventually(lambda: around.talkdesk.faults.left(Endpoint.STATE) == 0, what="it answers Talkdesk")
    assert await broker.stop() == 0
    [task] = around.data.rows("SELECT state, owner, attempts FROM task WHERE kind = 'answer'")
    assert (task.state, task.owner) == ("waiting", None)


async def _is_closed(url: str) -> bool:
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            await client.get(f"{url}/health/live")
        except httpx.ConnectError:
            return True
    return False
