"""The path from an install event to a sign-out, step by step; each step says what it checked.

A step that differs from what it should be ends the walk with `Differs`.
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from html import unescape
from typing import ParamSpec

from demo.app import DownstreamApp
from demo.browser import Browser, Page
from demo.surroundings import Say, Surroundings
from demo.talkdesk import ACME, ANA, BRUNO, Endpoint, Installation, User

P = ParamSpec("P")
LONGEST_CHAIN = 12
PATIENCE_SECONDS = 20.0


class Differs(Exception):
    """A step had another outcome than it should; the text says which."""


class Walk:
    """One walk through everything that runs, with one browser."""

    def __init__(self, around: Surroundings, browser: Browser, say: Say) -> None:
        self._around = around
        self._talkdesk = around.talkdesk
        self._browser = browser
        self._say = say
        self._installed: dict[str, Installation] = {}

    async def run(self) -> None:
        wallboard, notes = self._around.wallboard, self._around.notes
        for app in (wallboard, notes):
            await self._step(f"{app.name} is installed", self._install, app)
            await self._step(f"{app.name} has an identity provider", self._provided, app)
            await self._step(f"{app.name} is approved", self._approved, app)
        await self._step("Ana launches Wallboard", self._ana_signs_on, wallboard)
        await self._step("Ana launches Notes", self._ana_is_known, notes)
        await self._step("Bruno, in the same browser", self._bruno_takes_over, wallboard)
        await self._step("Bruno launches Notes", self._launch, notes, BRUNO)
        await self._step("Bruno signs out of Talkdesk", self._bruno_leaves)

    async def _step(self, name: str, action: Callable[P, Awaitable[str]], *args: P.args, **kwargs: P.kwargs) -> None:
        started = time.perf_counter()
        checked = await action(*args, **kwargs)
        self._say(f"{(time.perf_counter() - started) * 1000:6.0f} ms  {name:34} {checked}")

    async def _install(self, app: DownstreamApp) -> str:
        """The event is taken in."""
        installation = await self._talkdesk.install(ACME, self._talkdesk.app(app.name))
        self._installed[app.name] = installation
        delivery = installation.deliveries[0]
        _check(delivery.status == 202, f"app.installed: {delivery.status or delivery.attempts[0].error}, not 202")
        return "app.installed: 202"

    async def _provided(self, app: DownstreamApp) -> str:
        """Keycloak has an enabled identity provider for it."""
        alias = f"talkdesk-{self._installed[app.name].id}"
        await _until(lambda: self._is_provided(alias), f"no enabled identity provider {alias}")
        return alias

    async def _is_provided(self, alias: str) -> bool:
        return alias in await self._around.admin.identity_provider_aliases()

    async def _approved(self, app: DownstreamApp) -> str:
        """Talkdesk was told, once, after the identity provider was there."""
        installation = self._installed[app.name]
        try:
            await self._talkdesk.until_answered(installation, seconds=PATIENCE_SECONDS)
        except TimeoutError as late:
            raise Differs(str(late)) from late
        _check(installation.answers == ["approve"], f"answers to Talkdesk: {installation.answers}")
        return "POST state approve: 200"

    async def _ana_signs_on(self, app: DownstreamApp) -> str:
        self._talkdesk.sign_in(self._browser, ANA)
        return await self._launch(app, ANA)

    async def _ana_is_known(self, app: DownstreamApp) -> str:
        """The second app needs no second trip to Talkdesk."""
        before = len(self._talkdesk.calls_to(Endpoint.AUTHORIZE))
        checked = await self._launch(app, ANA)
        _check(len(self._talkdesk.calls_to(Endpoint.AUTHORIZE)) == before, "Talkdesk was asked again who is there")
        return checked + ", without Talkdesk"

    async def _bruno_takes_over(self, app: DownstreamApp) -> str:
        """Another person: nobody is left in the former one's session, in either app."""
        self._talkdesk.sign_in(self._browser, BRUNO)
        checked = await self._launch(app, BRUNO)
        for each in (self._around.wallboard, self._around.notes):
            await _until(partial(_is_out, each, ANA), f"Ana is still in {each.name}")
        return checked + "; Ana is out of both apps"

    async def _bruno_leaves(self) -> str:
        """`user.logout` ends the sessions in both apps; the browser has nothing to do with it."""
        deliveries = await self._talkdesk.user_logout(BRUNO)
        statuses = [each.status for each in deliveries]
        _check(statuses == [202, 202], f"user.logout: {statuses}, not 202 for each installation")
        for app in (self._around.wallboard, self._around.notes):
            await _until(partial(_is_out, app, BRUNO), f"Bruno is still in {app.name}")
            page = await self._browser.open(app.url)
            _check(_shown(page, "user-id") is None, f"{app.name} still shows somebody")
        return "user.logout: 202, 202; out of both apps"

    async def _launch(self, app: DownstreamApp, user: User) -> str:
        """A click on the icon ends in the app, as the right person, with no other click."""
        installation = self._installed[app.name]
        page = await self._browser.open(
            self._talkdesk.launch_url(installation, user), on=self._talkdesk.state.addresses.page
        )
        _check(page.url == f"{app.url}/", f"the launch ended at {page.url} ({page.status}): {_words(page)}")
        _check(_shown(page, "user-id") == user.id, f"{app.name} shows {_shown(page, 'name')}, not {user.name}")
        _check(page.longest_chain <= LONGEST_CHAIN, f"{page.longest_chain} redirects in a row")
        return f"in {app.name} as {_shown(page, 'name')} of {_shown(page, 'account')}, {page.longest_chain} redirects"


def _check(condition: bool, otherwise: str) -> None:
    if not condition:
        raise Differs(otherwise)


async def _until(condition: Callable[[], Awaitable[bool]], otherwise: str) -> None:
    """Ask until it holds. Keycloak and the apps don't tell us, so this asks again and again."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not await condition():
        _check(time.monotonic() < end, otherwise)
        await asyncio.sleep(0.05)


async def _is_out(app: DownstreamApp, user: User) -> bool:
    return all(each.claims.get("talkdesk_user_id") != user.id for each in app.signed_in)


def _shown(page: Page, element: str) -> str | None:
    """The text of an element of the app's page."""
    match = re.search(rf'id="{element}">([^<]*)<', page.text)
    return unescape(match[1]) if match else None


def _words(page: Page) -> str:
    return " ".join(unescape(re.sub(r"<style.*?</style>|<[^>]+>", " ", page.text, flags=re.DOTALL)).split())[:300]
