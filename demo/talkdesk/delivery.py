"""Delivers events: signed, at least once, with the documented retries ("Events API", in docs/talkdesk.md "Events").

An answer that is no success, or none, is tried again after 5 minutes and once more after 10 minutes, then never again.
`retry_factor` shortens the waiting; `retry_now` ends it.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping

import httpx

from demo.talkdesk.model import Attempt, Delivery, Event
from demo.talkdesk.state import State

RETRY_AFTER_SECONDS = (300.0, 600.0)


class Courier:
    """Takes events to the events callback URL of their app."""

    def __init__(self, state: State, client: httpx.AsyncClient, retry_factor: float) -> None:
        self._state = state
        self._client = client
        self._retry_factor = retry_factor

    def signature_headers(self, body: bytes) -> dict[str, str]:
        key = self._state.event_key
        return {
            "X-Hub-Ecdsa-Signature": key.sign(body, self._state.variants.signature_form),
            "X-Hub-Ecdsa-Signature-Id": key.id,
        }

    async def deliver(self, event: Event, headers: Mapping[str, str] | None = None) -> Delivery:
        """The first attempt, awaited. If it fails the retries go on by themselves.

        `headers` replace the signature's: an attacker's, or none.
        """
        delivery = Delivery(event)
        self._state.deliveries.append(delivery)
        sent = dict(self.signature_headers(event.body) if headers is None else headers)
        await self._attempt(delivery, sent)
        if not delivery.is_accepted:
            delivery.retries = asyncio.create_task(self._retry(delivery, sent))
        return delivery

    async def retry_now(self, delivery: Delivery) -> None:
        """The next attempt at once instead of minutes later."""
        if delivery.retries is None or delivery.retries.done():
            raise ValueError(f"{delivery.event.type}: delivered or given up, nothing is left to retry")
        before = len(delivery.attempts)
        delivery.wake.set()
        await self._state.wait_until(lambda: len(delivery.attempts) > before, what="retry", seconds=30)

    async def stop(self) -> None:
        """No retry outlives the stand-in."""
        running = [each.retries for each in self._state.deliveries if each.retries is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _retry(self, delivery: Delivery, headers: dict[str, str]) -> None:
        for seconds in RETRY_AFTER_SECONDS:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(delivery.wake.wait(), seconds * self._retry_factor)
            delivery.wake.clear()
            await self._attempt(delivery, headers)
            if delivery.is_accepted:
                return
        delivery.is_given_up = True
        self._state.changed()

    async def _attempt(self, delivery: Delivery, headers: dict[str, str]) -> None:
        at, started = self._state.clock(), time.perf_counter()
        status, error, answer = None, None, ""
        try:
            response = await self._client.post(
                delivery.event.app.events_url,
                content=delivery.event.body,
                headers={"Content-Type": "application/json", **headers},
            )
            status, answer = response.status_code, response.text[:500]
        except httpx.HTTPError as failure:
            error = type(failure).__name__
        milliseconds = (time.perf_counter() - started) * 1000
        delivery.attempts.append(Attempt(at, status, error, answer, milliseconds))
        self._state.changed()
