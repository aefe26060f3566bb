"""Builds events as docs/talkdesk.md "Events" states them; sending is `delivery.py`'s.

Secrets are in the body of `app.installed` and `app.credentials_rotated`, as with Talkdesk.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from demo.talkdesk.keys import new_id, private_key_text, public_key_text
from demo.talkdesk.model import App, Event, Installation, User
from demo.talkdesk.state import State
from demo.talkdesk.variants import CreatedAt, EnvelopeNames


def created_at_text(at: datetime, form: CreatedAt) -> str:
    zone = timezone(timedelta(hours=-5)) if form is CreatedAt.OTHER_ZONE else UTC
    precision = "milliseconds" if form in (CreatedAt.Z_MILLISECONDS, CreatedAt.OFFSET_MILLISECONDS) else "seconds"
    text = at.astimezone(zone).isoformat(timespec=precision)
    return text.replace("+00:00", "Z") if form in (CreatedAt.Z, CreatedAt.Z_MILLISECONDS) else text


def make_event(
    state: State,
    kind: str,
    app: App,
    data: Mapping[str, Any],
    links: Mapping[str, str] | None = None,
    *,
    created_at: datetime | None = None,
    event_id: str | None = None,
) -> Event:
    """Any event: the envelope around `data`. `user.logout` has no app version in it."""
    event_id = event_id or new_id()
    root = state.addresses.gateway
    all_links = {"root": root, "self": f"{root}/apps/{app.id}/events/{event_id}", **(links or {})}
    envelope: dict[str, Any] = {
        **_names(event_id, kind, state.variants.envelope_names),
        "created_at": created_at_text(created_at or state.clock(), state.variants.created_at),
        "api_version": "1",
        "app_id": app.id,
    }
    if kind != "user.logout":
        envelope |= {"app_version_id": app.version_id, "app_version_name": app.version_name}
    envelope |= {"data": dict(data), "_links": {name: {"href": href} for name, href in all_links.items()}}
    body = json.dumps(envelope, ensure_ascii=False).encode()
    return Event(event_id, kind, app, str(data.get("installation_id", "")), body)


def installed(state: State, installation: Installation) -> Event:
    addresses = state.addresses
    links = {
        "userinfo": addresses.userinfo,
        "authorization": addresses.authorization(installation.account),
        str(state.variants.token_link): addresses.token(installation.account),
        "installation": _installation_link(state, installation),
    }
    data = _of(installation) | _credentials(installation)
    return make_event(state, "app.installed", installation.app, data, links)


def uninstalled(state: State, installation: Installation) -> Event:
    data = _of(installation) | {"reason": {"type": "app_uninstalled", "message": "Not needed any more"}}
    return _with_installation_link(state, "app.uninstalled", installation, data)


def credentials_rotated(state: State, installation: Installation) -> Event:
    data = _of(installation) | _credentials(installation)
    return make_event(state, "app.credentials_rotated", installation.app, data)


def updated(
    state: State, installation: Installation, adding: list[str], removing: list[str], subscription: str | None
) -> Event:
    """Each part is there only if it changed."""
    data: dict[str, Any] = _of(installation)
    if adding or removing:
        data["users"] = {"adding": adding, "removing": removing}
    if subscription:
        data["subscription"] = {"adding": {"name": subscription, "licenses": len(installation.users)}}
    return make_event(state, "app.updated", installation.app, data)


def trial_started(state: State, installation: Installation, expires_at: datetime) -> Event:
    return _trial(state, "app.trial_started", installation, expires_at, {})


def trial_extended(state: State, installation: Installation, expires_at: datetime) -> Event:
    return _trial(state, "app.trial_extended", installation, expires_at, {})


def trial_ended(state: State, installation: Installation, expires_at: datetime, reason: str, ended_by: str) -> Event:
    ended_at = created_at_text(state.clock(), state.variants.created_at)
    more = {"ended_at": ended_at, "ended_reason": reason, "ended_by": ended_by}
    return _trial(state, "app.trial_ended", installation, expires_at, more)


def user_logout(state: State, installation: Installation, user: User, created_at: datetime | None = None) -> Event:
    data = {
        "account_id": installation.account.id,
        "user_id": user.id,
        "user_email": user.email,
        "installation_id": installation.id,
    }
    links = {
        "user": f"{state.addresses.gateway}/users/{user.id}",
        "installation": _installation_link(state, installation),
    }
    return make_event(state, "user.logout", installation.app, data, links, created_at=created_at)


def _names(event_id: str, kind: str, names: EnvelopeNames) -> dict[str, str]:
    if names is EnvelopeNames.PLAIN:
        return {"id": event_id, "type": kind}
    if names is EnvelopeNames.PREFIXED:
        return {"event_id": event_id, "event_type": kind}
    return {"id": new_id(), "event_id": event_id, "type": kind, "event_type": kind}


def _of(installation: Installation) -> dict[str, Any]:
    account = installation.account
    return {"installation_id": installation.id, "account_id": account.id, "account_name": account.name}


def _credentials(installation: Installation) -> dict[str, str]:
    credentials = installation.current.credentials
    return {
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret,
        "private_key": private_key_text(credentials),
        "public_key": public_key_text(credentials),
        "key_id": credentials.key_id,
        "key_algorithm": credentials.key_algorithm,
    }


def _installation_link(state: State, installation: Installation) -> str:
    return f"{state.addresses.gateway}/apps/{installation.app.id}/installations/{installation.id}"


def _with_installation_link(state: State, kind: str, installation: Installation, data: dict[str, Any]) -> Event:
    return make_event(state, kind, installation.app, data, {"installation": _installation_link(state, installation)})


def _trial(state: State, kind: str, installation: Installation, expires_at: datetime, more: dict[str, str]) -> Event:
    expires = created_at_text(expires_at, state.variants.created_at)
    return _with_installation_link(state, kind, installation, _of(installation) | {"expires_at": expires} | more)
