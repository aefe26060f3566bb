"""The ID token that Keycloak gets (OpenID Connect Core 2), with the notes that it keeps in the session.

Never among the claims: Talkdesk's e-mail address as `email`. A customer's administrator chooses those addresses, and Keycloak links
accounts by e-mail. The address travels as a note only.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from broker.model.installation import Installation
from broker.model.names import AppId
from broker.model.realm_user import RealmUser
from broker.model.sign_on import SignOn
from broker.ports import Json

LIFETIME = timedelta(minutes=5)
"""Keycloak reads it at once; the rest is for clocks that differ."""

# Keycloak refuses these in names, and a refused name is a question to the agent at every launch.
_REFUSED_IN_NAMES = re.compile(r"[<>&\"$%!#?§;*~/\\|^=\[\]{}()\x00-\x1f\x7f]")
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Notes:
    """What the apps may learn about a sign-on beyond who it is."""

    account_name: str
    apps: Sequence[AppId]
    """Apps that are active for the account now."""
    email_verified: bool


def id_token_claims(
    sign_on: SignOn,
    installation: Installation,
    notes: Notes,
    *,
    issuer: str,
    client_id: str,
    nonce: str | None,
    now: datetime,
    realm_user: RealmUser | None = None,
) -> Json:
    """All claims of the ID token. Notes are strings: Keycloak's mapper takes nothing else.

    `realm_user`: whom Keycloak shall sign on, in a realm where users are not made by us (mode existing).
    """
    person = sign_on.person
    issued = int(now.timestamp())
    claims: Json = {
        "iss": issuer,
        "sub": sign_on.sub,
        "aud": client_id,
        "iat": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
        "sid": sign_on.sid,
        **_claims_of_keycloak_user(sign_on, realm_user),
        "talkdesk_account_id": person.account,
        "talkdesk_account_name": notes.account_name,
        "talkdesk_user_id": person.user,
        "talkdesk_installation_id": installation.id,
        "talkdesk_apps": json.dumps(list(notes.apps)),
        "talkdesk_sign_on": sign_on.id,
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if person.email:
        claims["talkdesk_email"] = person.email
        claims["talkdesk_email_verified"] = "true" if notes.email_verified else "false"
    return claims


def _claims_of_keycloak_user(sign_on: SignOn, realm_user: RealmUser | None) -> Json:
    """What Keycloak finds or makes the user by.

    For a user that is there: the name alone, and nothing that could be written over his. In a realm whose usernames *are* e-mail addresses
    Keycloak looks for users by `email` only; then that is his own address, read from Keycloak, not from Talkdesk.
    """
    if realm_user is None:
        given, family = names_of(sign_on.person.name, sign_on.person.email)
        return {"preferred_username": sign_on.sub, "given_name": given, "family_name": family}
    is_address = realm_user.email is not None and realm_user.email.lower() == realm_user.username
    return {"preferred_username": realm_user.username, **({"email": realm_user.email} if is_address else {})}


def names_of(name: str | None, email: str | None) -> tuple[str, str]:
    """Given and family name that Keycloak takes without a question: never empty, nothing in them that it refuses."""
    words = _REFUSED_IN_NAMES.sub(" ", name or "").split()
    if not words and email:
        words = _REFUSED_IN_NAMES.sub(" ", email.partition("@")[0]).split()
    if not words:
        words = ["Talkdesk", "user"]
    given = words[0][:_LONGEST_NAME]
    family = " ".join(words[1:])[:_LONGEST_NAME].strip() or "-"
    return given, family
