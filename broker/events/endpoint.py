"""`POST /talkdesk/events`: the events callback URL.

Owns: reading a body of limited size in limited time, and the answer. Leaves to others: everything that is decided (`receive`).
"""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from broker.errors import EventRefused
from broker.events.receive import MAX_BODY_BYTES, Receive
from broker.observation import UNOBSERVED, Observer

READ_WITHIN_S = 10.0
"""For the whole body, so that nobody holds a connection by sending a byte now and then."""


def router(receive: Receive, *, read_within_s: float = READ_WITHIN_S, observer: Observer = UNOBSERVED) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.post("/talkdesk/events")
    async def events(request: Request) -> Response:
        try:
            body = await _read(request, read_within_s)
            return Response(status_code=await receive(body, request.headers))
        except EventRefused as refused:
            observer.delivery_refused(refused.reason)
            return _refusal(refused)

    return routes


async def _read(request: Request, within_s: float) -> bytes:
    """The raw body; of a bigger one only so much that `receive` sees that it is too big, whatever its Content-Length says."""
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    break
    except TimeoutError:
        raise EventRefused(408, "too_slow", "the body did not come in time") from None
    except ClientDisconnect:
        raise EventRefused(400, "incomplete", "the sender went away") from None
    return bytes(body)


def _refusal(refused: EventRefused) -> Response:
    # What was not read of the request must not be taken for the next one.
    headers = {"Connection": "close"} if refused.status in (408, 413) else {}
    return JSONResponse({"reason": refused.reason}, refused.status, headers)
