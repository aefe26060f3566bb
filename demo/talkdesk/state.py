"""Everything the stand-in remembers, in memory, and the addresses under which the others know it.

Owns look-ups and the signal that something changed; rules live in the endpoints.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from joserfc.jwk import ECKey

from demo.talkdesk.keys import EventKey
from demo.talkdesk.model import (
    AccessToken,
    Account,
    ApiCall,
    App,
    CredentialSet,
    Delivery,
    Grant,
    Installation,
    Session,
    User,
)
from demo.talkdesk.variants import Variants

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    return datetime.now(UTC)


class Addresses:
    """Where browsers and the broker find Talkdesk: the page, the API gateway, and one base an account.

    `account_url` may contain `{account}`, so that every account has a host of its own.
    """

    def __init__(self, page_url: str, gateway_url: str | None = None, account_url: str | None = None) -> None:
        self.page = page_url.rstrip("/")
        self.gateway = (gateway_url or page_url).rstrip("/")
        self._account = (account_url or page_url).rstrip("/")

    def authorization(self, account: Account) -> str:
        return f"{self._account.format(account=account.slug)}/{account.slug}/oauth/authorize"

    def token(self, account: Account) -> str:
        return f"{self._account.format(account=account.slug)}/{account.slug}/oauth/token"

    @property
    def userinfo(self) -> str:
        return f"{self.gateway}/userinfo"

    @property
    def is_https(self) -> bool:
        return self.page.startswith("https:")


class State:
    """All of Talkdesk, as far as it is imitated."""

    def __init__(
        self,
        *,
        addresses: Addresses,
        accounts: Iterable[Account],
        apps: Iterable[App],
        variants: Variants,
        clock: Clock,
        cookie_domain: str | None,
    ) -> None:
        self.addresses = addresses
        self.accounts = {account.slug: account for account in accounts}
        self.apps = {app.id: app for app in apps}
        self.variants = variants
        self.clock = clock
        self.cookie_domain = cookie_domain
        self.installations: dict[str, Installation] = {}
        self._of_account: dict[str, list[Installation]] = {}
        self.sessions: dict[str, Session] = {}
        self.grants: dict[str, Grant] = {}
        self.access_tokens: dict[str, AccessToken] = {}
        self.used_jtis: set[tuple[str, str]] = set()
        self.event_keys: dict[str, EventKey] = {}
        self.event_key = self.add_event_key()
        self.id_token_key = ECKey.generate_key("P-256")
        self.deliveries: list[Delivery] = []
        self.calls: list[ApiCall] = []
        self.next_authorization_error: str | None = None
        self.rotation_wanted: Callable[[Installation], None] = lambda installation: None
        self._changed = asyncio.Event()

    def add_event_key(self) -> EventKey:
        """From here on events are signed with a new key; the former ones stay published."""
        self.event_key = EventKey(self.variants.event_curve)
        self.event_keys[self.event_key.id] = self.event_key
        return self.event_key

    def add_installation(self, installation: Installation) -> None:
        """A new one."""
        self.installations[installation.id] = installation
        self._of_account.setdefault(installation.account.id, []).append(installation)

    def find_client(self, account: Account, client_id: str) -> tuple[Installation, list[CredentialSet]] | None:
        """The installation in that account which has living credentials of that client id."""
        now = self.clock()
        for installation in self._of_account.get(account.id, ()):
            sets = [
                each
                for each in installation.credential_sets
                if each.is_alive(now) and secrets.compare_digest(each.credentials.client_id, client_id)
            ]
            if sets:
                return installation, sets
        return None

    def account_of(self, user: User) -> Account:
        return next(account for account in self.accounts.values() if user in account.users)

    def changed(self) -> None:
        """Wake everybody who waits for something."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_until(self, condition: Callable[[], bool], *, what: str, seconds: float = 10) -> None:
        """Return as soon as the condition holds; asked again after every change. TimeoutError names `what`."""
        end = time.monotonic() + seconds
        while not condition():
            changed = self._changed
            try:
                await asyncio.wait_for(changed.wait(), max(0.0, end - time.monotonic()))
            except TimeoutError:
                raise TimeoutError(f"{what}: not within {seconds:g} s") from None
