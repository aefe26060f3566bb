"""Liveness and readiness.

Ready means that this process can do its part: keep what comes, check what Keycloak signs, and carry out tasks. Talkdesk is not asked: where it
is away, taking this process out of service would help nobody.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from broker.web.draining import Draining

Ping = Callable[[], Awaitable[timedelta | None]]
"""Returns when the dependency answers, with the age of what is known of it where that has one; raises when it does not."""
_WITHIN_S = 3.0


def router(pings: Mapping[str, Ping], draining: Draining) -> APIRouter:
    """The routes; readiness asks all dependencies side by side and has one line for each."""
    routes = APIRouter()

    @routes.get("/health/live")
    async def live() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @routes.get("/health/ready")
    async def ready() -> PlainTextResponse:
        if draining.has_begun:
            return PlainTextResponse("stopping\n", status_code=503)
        answers = await asyncio.gather(*(_ask(name, ping) for name, ping in pings.items()))
        is_ready = all(is_there for is_there, _ in answers)
        lines = "\n".join(line for _, line in answers)
        return PlainTextResponse(f"{lines}\n", status_code=200 if is_ready else 503)

    return routes


async def _ask(name: str, ping: Ping) -> tuple[bool, str]:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(_WITHIN_S):
            age = await ping()
        state, is_there = "ok", True
    except Exception as error:  # noqa: BLE001 - whatever it is, the dependency is not there
        state, is_there, age = f"failed ({type(error).__name__})", False, None
    since = f", {age.total_seconds():.0f} s old" if age is not None else ""
    return is_there, f"{name}: {state} {(time.perf_counter() - began) * 1000:.0f} ms{since}"
