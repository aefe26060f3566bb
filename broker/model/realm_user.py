"""Keycloak users of a realm that somebody else owns, and the rule by which a Talkdesk user is one of them (mode existing)."""

from collections.abc import Collection
from dataclasses import dataclass

BY_EMAIL = "email"
BY_USERNAME = "username"


@dataclass(frozen=True)
class RealmUser:
    """A Keycloak user, as far as a sign-on needs to know."""

    id: str
    """Keycloak's own, which is `sub` in its tokens."""
    username: str
    email: str | None
    is_enabled: bool


@dataclass(frozen=True)
class MatchRule:
    """How an account's Talkdesk users are found among the realm's."""

    by: str
    """`email` or `username`, which both have to be Talkdesk's e-mail address, or an attribute that holds the Talkdesk user id."""
    domains: tuple[str, ...]
    """Domains of the addresses that may name somebody; they say nothing where an attribute decides."""

    @property
    def is_by_address(self) -> bool:
        """Whether it is the e-mail address, which a customer's administrator chooses, that names the Keycloak user."""
        return self.by in (BY_EMAIL, BY_USERNAME)


def is_of_domain(email: str | None, domains: Collection[str]) -> bool:
    """Whether the address is of one of these domains, which are in lower case; a subdomain is another one."""
    name, _, domain = (email or "").rpartition("@")
    return bool(name) and domain.lower() in domains
