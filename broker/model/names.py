"""Identifiers and the names made from them.

Owns: the types of identifiers, and the names that other systems come to rely on (issuer path, alias, Keycloak username).
Leaves to others: whether an identifier is known.
"""

import hashlib
import re
from typing import NewType

InstallationId = NewType("InstallationId", str)
AccountId = NewType("AccountId", str)
AppId = NewType("AppId", str)
TalkdeskUserId = NewType("TalkdeskUserId", str)
EventId = NewType("EventId", str)

Slug = NewType("Slug", str)
"""An installation in URLs and aliases: the id itself where that is plain, else `h-` and a hash of it."""

Alias = NewType("Alias", str)
"""Name of an identity provider in the realm; never used for a second one (a used alias breaks its users for good)."""

ALIAS_PREFIX = "talkdesk"
"""How every alias begins."""

MAX_ID_LENGTH = 255
"""Longest identifier of Talkdesk's that is taken, in characters; theirs have 24 or 32."""

# The cap keeps aliases and usernames below Keycloak's 255 characters; a longer id gets the hashed form.
_PLAIN = re.compile(r"[a-z0-9]{1,64}")
_SLUG = re.compile(r"[a-z0-9-]{1,64}")


def slug_of(installation: InstallationId) -> Slug:
    """The installation's name in URLs and aliases, where only `[a-z0-9-]` is safe."""
    if _PLAIN.fullmatch(installation):
        return Slug(installation)
    return Slug("h-" + hashlib.sha256(installation.encode()).hexdigest()[:40])


def is_slug(text: str) -> bool:
    """Whether this could be an installation's name in a URL: whatever else a path may hold is nobody's."""
    return _SLUG.fullmatch(text) is not None


def alias_of(slug: Slug, generation: int) -> Alias:
    """Alias of the installation's identity provider; `generation` counts from 1."""
    return Alias(f"{ALIAS_PREFIX}-{slug}" if generation == 1 else f"{ALIAS_PREFIX}-{slug}-{generation}")


def client_id_of(slug: Slug) -> str:
    """Client id of Keycloak at the installation's issuer.

    The same for every generation of the identity provider: a new alias with the same issuer and client id finds the same users.
    """
    return f"talkdesk-{slug}"


def username_of(account: AccountId, user: TalkdeskUserId) -> str:
    """Keycloak username, and `sub`, of a Talkdesk user in mode own.

    Keycloak lower-cases usernames and both ids are opaque, so anything but plain ids is hashed, each with its length in
    front: neither case nor a separator inside an id can make two people one.
    """
    if _PLAIN.fullmatch(account) and _PLAIN.fullmatch(user):
        return f"talkdesk-{account}-{user}"
    pair = "".join(f"{len(part)}:{part}" for part in (account, user))
    return "talkdesk-h." + hashlib.sha256(pair.encode()).hexdigest()[:40]
