"""Waiting for a condition, never for a time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def eventually(condition: Callable[[], bool | Awaitable[bool]], *, what: str, seconds: float = 30) -> None:
    """Return as soon as the condition holds; fail, saying what was waited for, when it never does."""
    until = time.monotonic() + seconds
    while True:
        holds = condition()
        if inspect.isawaitable(holds):
            holds = await holds
        if holds:
            return
        assert time.monotonic() < until, f"never came true within {seconds} s: {what}"
        await asyncio.sleep(0.02)


async def eventually_all(count: Callable[[], int], total: int, *, what: str, seconds: float = 60) -> None:
    """Return as soon as so many are there, however long that takes; fail where none is added for so long."""
    until, last = time.monotonic() + seconds, -1
    while (now := count()) < total:
        if now > last:
            until, last = time.monotonic() + seconds, now
        assert time.monotonic() < until, f"none was added within {seconds} s: {now} of {total} {what}"
        await asyncio.sleep(0.1)
