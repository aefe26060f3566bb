"""Issuer identifiers and the addresses below them (OpenID Connect Discovery 1.0, 3).

Keycloak finds the identity provider of a logout token by comparing the issuer as a string: it never changes for an installation.
"""

from dataclasses import dataclass

from broker.model.names import Slug


@dataclass(frozen=True)
class Issuers:
    """Where the issuers are: for the browser, and for Keycloak."""

    public_url: str
    internal_url: str
    """How Keycloak reaches us; often the same."""

    def identifier(self, slug: Slug) -> str:
        """The issuer of an installation."""
        return f"{self.public_url}/oidc/{slug}"

    def authorization_endpoint(self, slug: Slug) -> str:
        """For the browser."""
        return f"{self.identifier(slug)}/authorize"

    def token_endpoint(self, slug: Slug) -> str:
        """For Keycloak."""
        return f"{self.internal_url}/oidc/{slug}/token"

    @property
    def jwks_uri(self) -> str:
        """One key set for all issuers, for Keycloak."""
        return f"{self.internal_url}/oidc/jwks"
