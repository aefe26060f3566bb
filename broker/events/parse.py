"""A verified body, read: an event as it is kept, and the facts that it states ("Events" in docs/talkdesk.md).

Owns: the envelope, its open points, and what makes an event unreadable. Pure.
Leaves to others: whose event it is (`receive`); whether a link may be used (a function that is given); the fold of the facts (`model`).

An event that Talkdesk signed and we can't read is kept, not refused: Talkdesk would send it twice more and then never again, and with it
the only copy of an installation's credentials. A link whose host is not on the allow-list makes an `app.installed` unreadable too: it is
kept, nothing is called, and it can be read anew when the operator has extended the list.
The private key is not tried here, only its algorithm is looked up: who signs reads it, and the failure is on record there.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
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
from broker.model.facts import (
    Fact,
    Installed,
    LicencesChanged,
    LoggedOut,
    Rotated,
    TrialChanged,
    TrialStep,
    Uninstalled,
)
from broker.model.names import AccountId, AppId, EventId, InstallationId, TalkdeskUserId

CheckLink = Callable[[str], str]
"""Gives back the link to use. Raises LinkRefused."""

HANDLED = frozenset(
    {
        "app.installed",
        "app.updated",
        "app.uninstalled",
        "app.credentials_rotated",
        "app.trial_started",
        "app.trial_extended",
        "app.trial_ended",
        "user.logout",
    }
)
ALGORITHMS = frozenset({"ES256", "ES384", "ES512", "PS256", "PS384", "PS512"})

_TRIAL_ENDS: Mapping[str | None, TrialStep] = {
    "trial_expired": TrialStep.EXPIRED,
    "plan_upgraded": TrialStep.UPGRADED,
}
_TRIAL_STEPS: Mapping[str, TrialStep] = {
    "app.trial_started": TrialStep.STARTED,
    "app.trial_extended": TrialStep.EXTENDED,
}

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
    suspending: Collection[AppId] = ()
    """Apps that are suspended when a trial expires."""

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
        created = fields.optional_instant(content, "created_at")
        return ParsedEvent(Event(key, account, created, EventState.UNKNOWN_TYPE, body))

    def _fact(self, key: EventKey, content: Object, data: Object, created_at: datetime) -> Fact:
        installation = InstallationId(fields.identifier(data, "installation_id"))
        account = AccountId(fields.identifier(data, "account_id"))
        if key.type == "user.logout":
            user = TalkdeskUserId(fields.identifier(data, "user_id"))
            email = fields.optional_identifier(data, "user_email")
            return LoggedOut(installation, account, user, email, created_at)
        owner = (installation, key.app, account)
        match key.type:
            case "app.uninstalled":
                return Uninstalled(*owner, created_at)
            case "app.updated":
                return LicencesChanged(*owner, *_licences(data), created_at)
            case "app.credentials_rotated":
                return Rotated(*owner, _credentials(data), created_at)
            case "app.installed":
                name = fields.display_name(data, "account_name") or account
                return Installed(*owner, name, _credentials(data), self._links(content), created_at)
        step = _TRIAL_STEPS.get(key.type) or _end_of_trial(data)
        suspends = step is TrialStep.EXPIRED and key.app in self.suspending
        # Over is over, whatever an end says about when it would have been.
        is_end = key.type == "app.trial_ended"
        expires_at = fields.optional_instant(data, "expires_at") if is_end else fields.instant(data, "expires_at")
        return TrialChanged(*owner, step, expires_at or created_at, created_at, suspends)

    def _links(self, content: Object) -> Links:
        links = fields.optional_object(content, "_links")
        return Links(
            root=self.check_gateway(fields.href(links, "root")),
            authorization=self.check_link(fields.href(links, "authorization")),
            token=self.check_link(fields.href(links, *_TOKEN_LINKS)),
            userinfo=self.check_link(fields.href(links, "userinfo")),
        )


def _end_of_trial(data: Object) -> TrialStep:
    return _TRIAL_ENDS.get(fields.optional_identifier(data, "ended_reason"), TrialStep.ENDED)


def _licences(data: Object) -> tuple[frozenset[TalkdeskUserId], frozenset[TalkdeskUserId]]:
    """Who was added and who was removed. Either list is there only if it changed; whatever else an update says asks for nothing."""
    users = fields.optional_object(data, "users")
    added, removed = (
        frozenset(TalkdeskUserId(user) for user in fields.identifiers(users, name)) for name in ("adding", "removing")
    )
    return added, removed


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
