"""Users of the realm, through python-keycloak (port `RealmUsers`); only ever read.

Owns: Keycloak's searches for users and links, and a check of what they answer: a search in the realm's user federation or its database
may be laxer than it was asked to be (case, accents, a parameter that it does not know), and what it finds is who is signed on.
Leaves to others: what it means that nobody or several were found. Needs the role `view-users`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from keycloak import KeycloakAdmin

from broker.model.names import Alias
from broker.model.realm_user import BY_EMAIL, BY_USERNAME, MatchRule, RealmUser
from broker.ports import Json
from broker.realm.connection import RealmConnection, path_part, translated

# One is wanted and two are too many; the rest is for those that the check takes out.
_AT_MOST = 10


class KeycloakUsers:
    """The real ones."""

    def __init__(self, connection: RealmConnection) -> None:
        """Calls nothing yet."""
        self._admin = KeycloakAdmin(connection=connection)

    async def linked(self, alias: Alias, sub: str) -> Sequence[RealmUser]:
        """As the port says."""
        found = await self._search("user by link", {"idpAlias": alias, "idpUserId": sub})
        return [_user_of(each) for each in found if (await self.links(each["id"])).get(alias) == sub]

    async def matching(self, rule: MatchRule, value: str) -> Sequence[RealmUser]:
        """As the port says; nothing names nobody, though Keycloak would find those without an address."""
        if not value:
            return []
        if rule.by in (BY_EMAIL, BY_USERNAME):
            # Keycloak keeps both in lower case.
            wanted = value.lower()
            found = await self._search(f"user by {rule.by}", {rule.by: wanted, "exact": "true"})
            return [_user_of(each) for each in found if (each.get(rule.by) or "").lower() == wanted]
        found = await self._search(f"user by {rule.by}", {"q": f"{_quoted(rule.by)}:{_quoted(value)}"})
        return [_user_of(each) for each in found if value in each.get("attributes", {}).get(rule.by, ())]

    async def links(self, user_id: str) -> Mapping[Alias, str]:
        """As the port says."""
        with translated("links of a user"):
            links = await self._admin.a_get_user_social_logins(path_part(user_id))
            return {Alias(link["identityProvider"]): link["userId"] for link in links}

    async def _search(self, call: str, query: dict[str, Any]) -> Sequence[Json]:
        with translated(call):
            found: list[Json] = await self._admin.a_get_users({**query, "max": _AT_MOST})
            # A KeyError here is an answer that is not Keycloak's.
            return [each for each in found if each["id"] and each["username"]]


def _user_of(found: Json) -> RealmUser:
    return RealmUser(found["id"], found["username"], found.get("email"), found.get("enabled") is True)


def _quoted(text: str) -> str:
    """One word of Keycloak's search for attributes, whatever is in it; a value with a backslash it never finds."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
