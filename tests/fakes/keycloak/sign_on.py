"""What a sign-on leaves behind: names of the user, notes of the session.

Follows docs/keycloak.md "First login, users, profile": FORCE and IMPORT count per provider and per mapper, notes are string claims only.
"""

import base64
import hashlib
import json
import re

from tests.fakes.keycloak.model import Identity, Json, Provider, User

NOTE_MAPPER = "oidc-user-session-note-idp-mapper"


def s256(code_verifier: str) -> str:
    """Code challenge of a verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(hashlib.sha256(code_verifier.encode()).digest()).rstrip(b"=").decode()


def take_names(user: User, identity: Identity) -> None:
    """First login, or FORCE: what the identity provider says overwrites."""
    user.email = identity.claims.get("email")
    user.first_name = identity.claims.get("given_name", "")
    user.last_name = identity.claims.get("family_name", "")


def notes_of(provider: Provider, identity: Identity, *, is_first_login: bool) -> dict[str, str]:
    """Session notes of this sign-on."""
    notes = {"identity_provider": provider.alias}
    for mapper in provider.mappers.values():
        if mapper["identityProviderMapper"] != NOTE_MAPPER:
            continue
        mode = mapper["config"].get("syncMode", "INHERIT")
        if mode == "INHERIT":
            mode = provider.config.get("syncMode", "IMPORT")
        if is_first_login or mode == "FORCE":
            notes |= _mapped(mapper["config"], identity.claims)
    return notes


def _mapped(config: dict[str, str], claims: Json) -> dict[str, str]:
    is_regex = config.get("are.claim.values.regex") == "true"
    notes = {}
    for wanted in json.loads(config.get("claims", "[]")):
        value = claims.get(wanted["key"])
        if not isinstance(value, str):
            continue
        if re.fullmatch(wanted["value"], value) if is_regex else value == wanted["value"]:
            notes[wanted["key"]] = value
    return notes
