"""A realm that somebody else owns, imitated or real: what a test does as its administrator, and as one of its people (mode existing)."""

import re
from collections.abc import Mapping, Sequence
from html import unescape
from typing import Any, Protocol

from demo.app import DownstreamApp
from demo.browser import Browser, Page
from demo.talkdesk import ACME, GLOBEX
from tests.world import Realm, World

PASSWORD = "a password of the company's"

USER_ID_ATTRIBUTE = "talkdeskUserId"
"""Which the realm's users have in it, and can't edit."""


class HasUsers(Protocol):
    """A realm to which users can be added."""

    async def add_user(
        self, username: str, email: str | None, *, is_enabled: bool = True, attributes: Mapping[str, str] | None = None
    ) -> str:
        """A user with `PASSWORD`, a name and a group; gives the id."""
        ...


class Company(Realm, HasUsers, Protocol):
    """The realm."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the broker is told about it."""
        ...

    async def everything_of(self, user_id: str) -> Mapping[str, Any]:
        """All that is known of a user but sessions and links."""
        ...

    async def links_of(self, user_id: str) -> Mapping[str, str]:
        """Alias to `sub`."""
        ...

    async def usernames(self) -> Sequence[str]:
        """Of everybody."""
        ...

    async def let_the_broker_end_sessions(self) -> None:
        """Give its service account the role `manage-users`; it is taken back when the test is over."""
        ...

    async def disable(self, user_id: str) -> None:
        """As an administrator does it."""
        ...


def config(match: str = "email") -> str:
    """Both accounts listed, each with its domain."""
    return "".join(
        f'\n[[accounts]]\nid = "{account.id}"\nmatch = "{match}"\nemail_domains = ["{account.slug}.example"]\n'
        for account in (ACME, GLOBEX)
    )


async def sign_in_at(app: DownstreamApp, world: World, browser: Browser, username: str) -> Page:
    """The company's own way in: the app's log-in button, and Keycloak's form."""
    form = await world.open_app(browser, app)
    action = re.search(r'<form[^>]*\bid="kc-form-login"[^>]*\baction="([^"]+)"', form.text)
    assert action, form.text
    return await browser.submit(unescape(action[1]), {"username": username, "password": PASSWORD})
