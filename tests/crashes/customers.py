"""Customers of Talkdesk who keep the broker busy: they install, sign on, rotate, drop licences, sign out and uninstall, all at once.

Owns: a stream of events without end, as Talkdesk would send it: some twice, some never heard because nobody was there three times.
Leaves to others: what has to come of them (`effects`).
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx

from demo.browser import Browser, TooManyRedirects
from demo.talkdesk import Account, App, Delivery, Installation, InstallationState, StandIn, User
from demo.talkdesk.keys import new_id

CUSTOMERS = 5
_PATIENCE_S = 60
"""How long a customer waits for anything, with a broker that is dead half of the time."""


_PEOPLE = 1000
"""Of one customer; more than there is time for, so that each of them comes once."""


@dataclass(frozen=True)
class SignedOn:
    """Somebody whose browser ended in the app."""

    installation: Installation
    user: User


@dataclass
class Customers:
    """What the customers did so far."""

    talkdesk: StandIn
    app: App
    home_url: str
    """Where a browser is when its sign-on is done."""
    chance: random.Random
    signed_on: list[SignedOn] = field(default_factory=list)

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """All of them go on meanwhile; at the end each finishes what it has begun."""
        over = asyncio.Event()
        customers = [asyncio.create_task(self._be_a_customer(over)) for _ in range(CUSTOMERS)]
        try:
            yield
            over.set()
            await asyncio.gather(*customers)
        finally:
            for customer in customers:
                customer.cancel()
            await asyncio.gather(*customers, return_exceptions=True)

    async def _be_a_customer(self, over: asyncio.Event) -> None:
        people = tuple(_somebody() for _ in range(_PEOPLE))
        account = Account(new_id(), f"customer{new_id()}", "A customer", people)
        self.talkdesk.state.accounts[account.slug] = account
        for user in people:
            if over.is_set():
                return
            await self._use_the_app(account, user)
        raise AssertionError(f"{_PEOPLE} people were not enough")

    async def _use_the_app(self, account: Account, user: User) -> None:
        """From an install, of which nobody may hear, to whatever end."""
        installation = await self.talkdesk.install(account, self.app)
        if not await self._is_heard(installation.deliveries[-1]):
            return
        # Never both in one installation: a rotation waits ten minutes for a sign-on that a dead broker left unfinished.
        if self.chance.random() < 0.3:
            await self._is_heard(await self.talkdesk.rotate(installation))
        else:
            await self._sign_on_and_off(installation, user)
        if self.chance.random() < 0.5:
            await self._is_heard(await self.talkdesk.uninstall(installation))

    async def _sign_on_and_off(self, installation: Installation, user: User) -> None:
        with suppress(TimeoutError):
            await self.talkdesk.until_answered(installation, InstallationState.APPROVED, _PATIENCE_S)
            await self.sign_on(installation, user)
        ending = self.chance.random()
        if ending < 0.4:
            for delivery in await self.talkdesk.user_logout(user):
                await self._is_heard(delivery)
        elif ending < 0.6:
            await self._is_heard(await self.talkdesk.update(installation, removing=[user]))

    async def sign_on(self, installation: Installation, user: User) -> None:
        """Click the icon; on record as signed on where that ends in the app."""
        async with Browser() as browser:
            self.talkdesk.sign_in(browser, user)
            # The broker may be killed at any redirect: then this person sees an error, and that is all.
            with suppress(httpx.HTTPError, TooManyRedirects):
                page = await browser.open(self.talkdesk.launch_url(installation, user), on=self.talkdesk.url)
                if page.status == 200 and page.url == self.home_url:
                    self.signed_on.append(SignedOn(installation, user))

    async def _is_heard(self, delivery: Delivery) -> bool:
        """Whether an event was taken, at last; one in four is sent twice."""
        await self.talkdesk.wait_until(
            lambda: delivery.is_accepted or delivery.is_given_up, what=delivery.event.type, seconds=_PATIENCE_S
        )
        if delivery.is_accepted and self.chance.random() < 0.25:
            await self.talkdesk.deliver(delivery.event)
        return delivery.is_accepted


def _somebody() -> User:
    number = new_id()
    return User(number, "Somebody", f"{number}@customer.example")
