"""A verified body, read: an event as it is kept, and the facts that it states ("Events" in docs/talkdesk.md).

Owns: the envelope, its open points, and what makes an event unreadable. Pure.
Leaves to others: whose event it is (`receive`); whether a link may be used (a function that is given); the fold of the facts (`model`).

An event that Talkdesk signed and we can't read is kept, not refused: Talkdesk would send it twice more and then never again, and with it
the only copy of an installation's credentials. A link whose host is not on the allow-list makes an `app.installed` unreadable too: it is
kept, nothing is called, and it can be read anew when the operator has extended the list.
The private key is not tried here, only its algorithm is looked up: who signs reads it, and the failure is on record there.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pydantic import SecretStr

from broker.errors import LinkRefused
from broker.events import fields
from broker.events.fields import Unreadable
from broker.events.signature import VerifiedBody
from broker.events.strict_json import Object, read_object
from broker.model.credentials import Credentials, Links
from broker.model.event import Event, EventKey, EventState
from broker.model.facts import Fact, Installed, LoggedOut, Uninstalled
from broker.model.names import AccountId, AppId, EventId, InstallationId, TalkdeskUserId

CheckLink = Callable[[str], str]
"""Gives back the link to use. Raises LinkRefused."""

HANDLED = frozenset({"app.installed", "app.uninstalled", "user.logout"})
NOT_YET_HANDLED = frozenset(
    {"app.updated", "app.credentials_rotated", "app.trial_started", "app.trial_extended", "app.trial_ended"}
)
ALGORITHMS = frozenset({"ES256", "ES384", "ES512", "PS256", "PS384", "PS512"})

# Names of the token endpoint's link [open].
_TOKEN_LINKS = ("token", "tokens")


@dataclass(frozen=True)
class ParsedEvent:
    """An event and the facts that it states; none where it is not taken."""

    event: Event
    facts: tuple[Fact, ...] = ()
    problem: str | None = None
    """Why it is unreadable; for the log, quotes nothing of the body."""


@dataclass(frozen=True)
class Parser:
    """Reads verified bodies; the two functions are the allow-list's."""

    check_link: CheckLink
    check_gateway: CheckLink

    def parse(self, body: VerifiedBody) -> ParsedEvent:
        """Never raises: what can't be read is UNREADABLE, under the hash of its body."""
        try:
            content = read_object(body)
        except ValueError as error:
            return _unreadable(body, {}, str(error))
        try:
            return self._read(body, content)
        except (Unreadable, LinkRefused) as error:
            return _unreadable(body, content, str(error))

    def _read(self, body: VerifiedBody, content: Object) -> ParsedEvent:
        kind = fields.identifier(content, "type", "event_type")
        data = fields.optional_object(content, "data")
        key = EventKey(
            EventId(fields.identifier(content, "event_id", "id")),
            AppId(fields.identifier(content, "app_id")),
            kind,
            _installation_of(data),
        )
        account = _account_of(data)
        if kind in HANDLED:
            created_at = fields.instant(content, "created_at")
            fact = self._fact(key, content, data, created_at)
            return ParsedEvent(Event(key, account, created_at, EventState.TAKEN, body), (fact,))
        state = EventState.NOT_YET_HANDLED if kind in NOT_YET_HANDLED else EventState.UNKNOWN_TYPE
        return ParsedEvent(Event(key, account, fields.optional_instant(content, "created_at"), state, body))

    def _fact(self, key: EventKey, content: Object, data: Object, created_at: datetime) -> Fact:
        installation = InstallationId(fields.identifier(data, "installation_id"))
        account = AccountId(fields.identifier(data, "account_id"))
        if key.type == "user.logout":
            user = TalkdeskUserId(fields.identifier(data, "user_id"))
            email = fields.optional_identifier(data, "user_email")
            return LoggedOut(installation, account, user, email, created_at)
        if key.type == "app.uninstalled":
            return Uninstalled(installation, key.app, account, created_at)
        return Installed(
            installation,
            key.app,
            account,
            fields.display_name(data, "account_name") or account,
            _credentials(data),
            self._links(content),
            created_at,
        )

    def _links(self, content: Object) -> Links:
        links = fields.optional_object(content, "_links")
        return Links(
            root=self.check_gateway(fields.href(links, "root")),
            authorization=self.check_link(fields.href(links, "authorization")),
            token=self.check_link(fields.href(links, *_TOKEN_LINKS)),
            userinfo=self.check_link(fields.href(links, "userinfo")),
        )


def _credentials(data: Object) -> Credentials:
    algorithm = fields.identifier(data, "key_algorithm")
    if algorithm not in ALGORITHMS:
        raise Unreadable("key_algorithm is none of the documented ones")
    return Credentials(
        client_id=fields.identifier(data, "client_id"),
        client_secret=SecretStr(fields.secret(data, "client_secret")),
        private_key=SecretStr(fields.secret(data, "private_key")),
        key_id=fields.identifier(data, "key_id"),
        algorithm=algorithm,
    )


def _unreadable(body: VerifiedBody, content: Object, problem: str) -> ParsedEvent:
    """As much as can be told, so that a stranger's event is refused also where it is unreadable."""
    data = fields.as_object(content.get("data"))
    key = EventKey(
        EventId(f"sha256:{hashlib.sha256(body).hexdigest()}"),
        AppId(fields.optional_identifier(content, "app_id") or ""),
        fields.optional_identifier(content, "type", "event_type") or "",
        _installation_of(data),
    )
    created_at = fields.optional_instant(content, "created_at")
    return ParsedEvent(Event(key, _account_of(data), created_at, EventState.UNREADABLE, body), problem=problem)


def _installation_of(data: Object) -> InstallationId | None:
    value = fields.optional_identifier(data, "installation_id")
    return None if value is None else InstallationId(value)


def _account_of(data: Object) -> AccountId | None:
    value = fields.optional_identifier(data, "account_id")
    return None if value is None else AccountId(value)
