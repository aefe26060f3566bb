"""Facts as rows, and back: what of a fact is clear, and what is sealed."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Row

from broker.model.credentials import Credentials, Links
from broker.model.facts import (
    InstallationFact,
    Installed,
    LicencesChanged,
    LoggedOut,
    Rotated,
    TrialChanged,
    TrialStep,
    Uninstalled,
)
from broker.model.names import AccountId, AppId, InstallationId, TalkdeskUserId
from broker.storage.sealing import Sealer, place_of

INSTALLED, UNINSTALLED, ROTATED, TRIAL = "installed", "uninstalled", "rotated", "trial"


def fact_values(event: int, position: int, fact: InstallationFact, sealer: Sealer) -> dict[str, Any]:
    """Row of a fact that this event states."""
    values: dict[str, Any] = {
        "event": event,
        "position": position,
        "installation_id": fact.installation,
        "created_at": fact.created_at,
        "credentials": None,
    }
    if isinstance(fact, Uninstalled):
        return {**values, "kind": UNINSTALLED, "content": "{}"}
    if isinstance(fact, TrialChanged):
        content: dict[str, Any] = {
            "step": fact.step.value,
            "expires_at": fact.expires_at.isoformat(),
            "suspends": fact.suspends,
        }
        return {**values, "kind": TRIAL, "content": json.dumps(content)}
    values["credentials"] = _seal(fact.credentials, sealer, _place(event, position))
    if isinstance(fact, Rotated):
        return {**values, "kind": ROTATED, "content": "{}"}
    content = {"account_name": fact.account_name, "links": asdict(fact.links)}
    return {**values, "kind": INSTALLED, "content": json.dumps(content)}


def fact_of(row: Row[Any], sealer: Sealer | None) -> InstallationFact:
    """Fact of a row of `fact` joined with its `installation`; without credentials where there is no sealer to open them."""
    owner = (InstallationId(row.installation_id), AppId(row.app_id), AccountId(row.account_id))
    if row.kind == UNINSTALLED:
        return Uninstalled(*owner, row.created_at)
    content = json.loads(row.content)
    if row.kind == TRIAL:
        expires_at = datetime.fromisoformat(content["expires_at"])
        return TrialChanged(*owner, TrialStep(content["step"]), expires_at, row.created_at, content["suspends"])
    credentials = None
    if sealer is not None and row.credentials is not None:
        credentials = _credentials_of(json.loads(sealer.open(row.credentials, place=_place(row.event, row.position))))
    if row.kind == ROTATED:
        return Rotated(*owner, credentials, row.created_at, is_proven=row.proven_at is not None)
    return Installed(*owner, content["account_name"], credentials, Links(**content["links"]), row.created_at)


def licence_values(event: int, fact: LicencesChanged) -> Iterator[dict[str, Any]]:
    """Rows of the licences that this event changes; who is on both of its lists is removed."""
    for user in sorted(fact.added | fact.removed):
        yield {
            "event": event,
            "user_id": user,
            "installation_id": fact.installation,
            "is_removed": user in fact.removed,
            "created_at": fact.created_at,
        }


def logout_values(event: int, fact: LoggedOut) -> dict[str, Any]:
    """Row of a logout that this event states."""
    return {
        "event": event,
        "installation_id": fact.installation,
        "account_id": fact.account,
        "user_id": fact.user,
        "email": fact.email.lower() if fact.email else None,
        "created_at": fact.created_at,
    }


def logout_of(row: Row[Any]) -> LoggedOut:
    """Logout of a row."""
    return LoggedOut(
        InstallationId(row.installation_id),
        AccountId(row.account_id),
        TalkdeskUserId(row.user_id),
        row.email,
        row.created_at,
    )


def _place(event: int, position: int) -> str:
    return place_of("fact", "credentials", event, position)


def _seal(credentials: Credentials | None, sealer: Sealer, place: str) -> bytes | None:
    if credentials is None:
        return None
    content = {
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret.get_secret_value(),
        "private_key": credentials.private_key.get_secret_value(),
        "key_id": credentials.key_id,
        "algorithm": credentials.algorithm,
    }
    return sealer.seal(json.dumps(content).encode(), place=place)


def _credentials_of(content: Mapping[str, str]) -> Credentials:
    return Credentials(
        client_id=content["client_id"],
        client_secret=SecretStr(content["client_secret"]),
        private_key=SecretStr(content["private_key"]),
        key_id=content["key_id"],
        algorithm=content["algorithm"],
    )
