"""What the identity provider of an installation should be: a pure function of its facts (docs/flows.md "Converge").

Owns: Keycloak's representation of our identity provider and its mapper, and the table of whose each field is.
Leaves to others: what is there already (`merge`), and writing (`provision`).
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from broker.model.browser import PROOF
from broker.model.installation import Installation
from broker.model.names import Alias, client_id_of
from broker.ports import Json

FIRST_LOGIN_FLOW = "talkdesk first login"
"""Comes with the realm; may only create or link users that are ours."""

MAPPER_NAME = "talkdesk notes"

NOTES = (
    "talkdesk_account_id",
    "talkdesk_account_name",
    "talkdesk_user_id",
    "talkdesk_installation_id",
    "talkdesk_apps",
    "talkdesk_email",
    "talkdesk_email_verified",
    "talkdesk_sign_on",
)
"""Claims of our ID token that become notes of the Keycloak session, from where apps get them."""

MAPPER = "mapper"
"""Stands for all of our mapper, where fields are named."""

OWNER_KEY = "brokerInstance"
"""Key in `config`: which broker made it. By this, not by its name, an identity provider is ours."""

SETTING_UP_KEY = "brokerSettingUp"
"""Key in `config`, `"true"` until it is complete: tells our "not yet enabled" from an administrator's "disabled"."""

_MAX_NAME = 250
"""Of a display name, in UTF-16 units: over 255 Keycloak answers 500."""


class Whose(StrEnum):
    """Who decides about a field once the identity provider is there."""

    OURS = "ours"
    """Set at creation, compared and repaired afterwards."""
    ADMINISTRATORS = "administrator's"
    """Set at creation; whatever is there later stays."""


FIELDS: Mapping[str, Whose] = MappingProxyType(
    {
        # Every field that is sent, and the reason why it can't be, or is, left to the administrator. A field that is not in
        # this table (postBrokerLoginFlowAlias with its second factor, config.guiOrder …) is the administrator's, too.
        "alias": Whose.OURS,  # in the redirect URI; never changes
        "providerId": Whose.OURS,
        "displayName": Whose.ADMINISTRATORS,  # for people only
        "enabled": Whose.ADMINISTRATORS,  # ours only while it is being set up; "disabled" of a live one is a decision
        "hideOnLogin": Whose.ADMINISTRATORS,  # hidden, creating one costs the same however many there are; showing it harms nobody
        "linkOnly": Whose.OURS,  # true would let nobody sign on, without a word
        "storeToken": Whose.OURS,  # our tokens are of no use afterwards and must not lie about
        "trustEmail": Whose.OURS,  # no e-mail is sent; false would ask people to verify one where users are made (mode own)
        "firstBrokerLoginFlowAlias": Whose.OURS,  # another flow could link strangers to accounts, or ask questions
        "config.issuer": Whose.OURS,  # logout tokens find the provider by it
        "config.authorizationUrl": Whose.OURS,
        "config.tokenUrl": Whose.OURS,
        "config.jwksUrl": Whose.OURS,
        "config.useJwksUrl": Whose.OURS,
        "config.validateSignature": Whose.OURS,  # false accepts unsigned tokens (CVE-2026-18569)
        "config.clientId": Whose.OURS,
        "config.clientAuthMethod": Whose.OURS,
        "config.clientAssertionSigningAlg": Whose.OURS,
        "config.allowedClockSkew": Whose.OURS,
        "config.pkceEnabled": Whose.OURS,
        "config.pkceMethod": Whose.OURS,
        "config.defaultScope": Whose.OURS,
        "config.disableUserInfo": Whose.OURS,  # there is no userinfo endpoint
        "config.syncMode": Whose.OURS,  # FORCE would write over users that are somebody else's (mode existing)
        "config.showInAccountConsole": Whose.OURS,  # nobody unlinks himself
        "config.backchannelSupported": Whose.OURS,  # says that Keycloak should call *us* at logout; there is nothing to call
        "config.acceptsPromptNoneForwardFromClient": Whose.OURS,  # we have no silent answer to give
        "config.forwardParameters": Whose.OURS,  # ties the proof of a person to the launch that asked for it
        f"config.{OWNER_KEY}": Whose.OURS,
    }
)


@dataclass(frozen=True)
class Deployment:
    """Where this broker is, and which one it is."""

    public_url: str
    """As browsers see it."""
    internal_url: str
    """As Keycloak reaches it."""
    instance: str
    """Id of this broker's database."""
    makes_users: bool = True
    """Mode own: Keycloak users are made by sign-ons, and their names follow Talkdesk. Else (mode existing) nothing of them is ever written."""


def desired_provider(installation: Installation, app_name: str, alias: Alias, deployment: Deployment) -> Json:
    """The identity provider as it is when it is complete."""
    return fields_of_ours(installation, alias, deployment) | {
        "displayName": display_name(installation.account_name, app_name),
        "enabled": True,
        "hideOnLogin": True,
    }


def fields_of_ours(installation: Installation, alias: Alias, deployment: Deployment) -> Json:
    """Of that what is compared and repaired; a reconcile asks for it once for each installation."""
    issuer_path = f"oidc/{installation.slug}"
    return {
        "alias": alias,
        "providerId": "oidc",
        "linkOnly": False,
        "storeToken": False,
        "trustEmail": deployment.makes_users,
        "firstBrokerLoginFlowAlias": FIRST_LOGIN_FLOW,
        # Keycloak's values in `config` are strings, booleans included.
        "config": {
            "issuer": f"{deployment.public_url}/{issuer_path}",
            "authorizationUrl": f"{deployment.public_url}/{issuer_path}/authorize",
            "tokenUrl": f"{deployment.internal_url}/{issuer_path}/token",
            "jwksUrl": f"{deployment.internal_url}/oidc/jwks",
            "useJwksUrl": "true",
            "validateSignature": "true",
            "clientId": client_id_of(installation.slug),
            "clientAuthMethod": "private_key_jwt",
            "clientAssertionSigningAlg": "RS256",
            "allowedClockSkew": "5",
            "pkceEnabled": "true",
            "pkceMethod": "S256",
            "defaultScope": "openid",
            "disableUserInfo": "true",
            "syncMode": "FORCE" if deployment.makes_users else "IMPORT",
            "showInAccountConsole": "NEVER",
            "backchannelSupported": "false",
            "acceptsPromptNoneForwardFromClient": "false",
            "forwardParameters": PROOF,
            OWNER_KEY: deployment.instance,
        },
    }


def desired_mapper(alias: Alias) -> Json:
    """The mapper that turns our claims into notes of the session, all of it ours.

    `syncMode` FORCE of its own: with INHERIT, a provider that is not FORCE loses the notes from the second login on.
    """
    claims = [{"key": note, "value": ".*"} for note in NOTES]
    return {
        "name": MAPPER_NAME,
        "identityProviderAlias": alias,
        "identityProviderMapper": "oidc-user-session-note-idp-mapper",
        "config": {"syncMode": "FORCE", "are.claim.values.regex": "true", "claims": json.dumps(claims)},
    }


def display_name(account_name: str, app_name: str) -> str:
    """`Talkdesk – {account name} – {app name}` for the console; a customer's administrator chose the account's name.

    Without control and format characters (a right-to-left override could make it look like another provider); the
    account's name gives way where it would be too long.
    """
    end = f" – {_clean(app_name)}"
    start = _shortened(f"Talkdesk – {_clean(account_name)}", _MAX_NAME - _length(end))
    return _shortened(start + end, _MAX_NAME)


def _clean(text: str) -> str:
    visible = "".join(char if unicodedata.category(char)[0] not in "CZ" else " " for char in text)
    return " ".join(visible.split())


def _length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _shortened(text: str, units: int) -> str:
    """At most so many UTF-16 units of it: Keycloak and most databases below it count those."""
    return text.encode("utf-16-le")[: 2 * max(units, 0)].decode("utf-16-le", errors="ignore").rstrip()
