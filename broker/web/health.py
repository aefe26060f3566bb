"""Liveness and readiness."""

import time
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

Ping = Callable[[], Awaitable[None]]
"""Returns when the dependency answers; raises when it does not."""


def router(pings: Mapping[str, Ping]) -> APIRouter:
    """The routes; readiness asks each dependency and has one line for each."""
    routes = APIRouter()

    @routes.get("/health/live")
    async def live() -> PlainTextResponse:
        return PlainTextResponse("ok\n")

    @routes.get("/health/ready")
    async def ready() -> PlainTextResponse:
        lines, is_ready = [], True
        for name, ping in pings.items():
            began = time.perf_counter()
            try:
                await ping()
                state = "ok"
            except Exception as error:  # noqa: BLE001 - whatever it is, the dependency is not there
                state, is_ready = f"failed ({type(error).__name__})", False
            lines.append(f"{name}: {state} {(time.perf_counter() - began) * 1000:.0f} ms")
        return PlainTextResponse("\n".join(lines) + "\n", status_code=200 if is_ready else 503)

    return routes
