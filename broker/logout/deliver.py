"""Effect of the task `deliver`: what an app has not confirmed is tried again, until shortly before the token expires.

Owns: one try and what follows from its outcome; the order of tries at one app. Leaves to others: when a try is due and what an answer
means (`model.delivery`), the request (AppLogoutUrl).

One task an app: an app that hangs uses one place of the worker, whatever waits for it, and no other app waits for that.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from broker.errors import AppError, NotYet
from broker.model.budget import Budget
from broker.model.delivery import LATER_TRY, Delivery, DeliveryState, judge, next_try
from broker.model.logout import Completed
from broker.model.task import Claim
from broker.observation import UNOBSERVED, Observer
from broker.ports import AppLogoutUrl, Clock, Deliveries

log = structlog.get_logger()

AT_ONCE = 10
"""Tokens on their way to one app at the same time."""
_LONGEST_RUN = timedelta(seconds=20)
"""Then the task comes again, well before its lease ends."""
_BURST = 5000
_REFILL = timedelta(milliseconds=10)


@dataclass(frozen=True)
class RelayedApp:
    """An app whose logouts are delivered by us."""

    slug: str
    client_id: str
    endpoint: AppLogoutUrl
    budget: Budget = field(default_factory=lambda: Budget(_BURST, _REFILL))
    """Bounds what is stored for it: so many at once, and then a hundred a second."""


@dataclass(frozen=True)
class Settle:
    """One try to deliver a token, and what follows."""

    deliveries: Deliveries
    now: Clock
    observer: Observer = UNOBSERVED

    async def __call__(self, app: RelayedApp, delivery: Delivery, within: timedelta) -> bool:
        """Try once, and note what came of it; whether there will be another try. Raises StorageError."""
        if delivery.token is None or self.now() >= delivery.expires_at:
            await self.end(app.slug, delivery, DeliveryState.EXPIRED, delivery.answer or "expired before it was tried")
            return False
        state, answer = await _post(app, delivery.token, within)
        if state is DeliveryState.REFUSED and (delivery.answer or "").startswith(_NO_ANSWER):
            answer = f"{answer}, after {delivery.answer}: the app may have taken it then"
        if state is DeliveryState.OPEN:
            now = self.now()
            due_at = next_try(delivery.attempts + 1, now, delivery.expires_at)
            if due_at is not None:
                await self.deliveries.postpone(delivery.number, now, due_at, answer)
                return True
            state = DeliveryState.EXPIRED
        await self.end(app.slug, delivery, state, answer)
        return False

    async def end(self, slug: str, delivery: Delivery, state: DeliveryState, answer: str) -> None:
        """No more tries. Raises StorageError."""
        completed = await self.deliveries.settle(delivery.number, state, self.now(), answer)
        is_at_once = state is DeliveryState.CONFIRMED and delivery.attempts == 0
        self.observer.logout_delivered(slug, "confirmed at once" if is_at_once else state.value)
        observe_completed(completed, self.observer)
        if state is not DeliveryState.CONFIRMED:
            # Here an alert is raised (ALERT_URL): the person is still signed in at this app. The line's name is in docs/sign-out.md, and stays.
            log.error(
                "a logout was not delivered", relay=slug, delivery=delivery.number, state=state.value, answer=answer
            )


def observe_completed(completed: Completed | None, observer: Observer) -> None:
    """Say how long a logout took, where this was the last thing that it waited for."""
    if completed is not None and completed.confirmed_at is not None:
        observer.logout_confirmed((completed.confirmed_at - completed.asked_at).total_seconds())


@dataclass(frozen=True)
class Deliver:
    """Carries out the task `deliver`."""

    apps: Mapping[str, RelayedApp]
    deliveries: Deliveries
    settle: Settle
    now: Clock

    async def __call__(self, claim: Claim) -> None:
        """Try what is due at the app that the task names. Raises NotYet until the next try, StorageError."""
        slug = claim.task.key
        until = self.now() + _LONGEST_RUN
        while due := await self.deliveries.due(slug, self.now(), AT_ONCE):
            await asyncio.gather(*(self._deliver(slug, each) for each in due))
            if self.now() > until:
                break
        next_at = await self.deliveries.next_due(slug)
        if next_at is not None:
            raise NotYet(max(next_at - self.now(), timedelta()), "the next try")

    async def _deliver(self, slug: str, delivery: Delivery) -> None:
        app = self.apps.get(slug)
        if app is None:
            await self.settle.end(slug, delivery, DeliveryState.EXPIRED, "the relay is not configured any more")
        else:
            await self.settle(app, delivery, LATER_TRY)


_NO_ANSWER = "no answer"


async def _post(app: RelayedApp, token: str, within: timedelta) -> tuple[DeliveryState, str]:
    try:
        status = await app.endpoint.post(token, within)
    except AppError as error:
        return DeliveryState.OPEN, f"{_NO_ANSWER} ({error})"
    note = ", redirects are not followed" if 300 <= status < 400 else ""
    return judge(status), f"{status}{note}"
