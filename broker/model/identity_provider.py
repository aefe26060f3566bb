"""What we know of our identity providers in the realm, and what one is as far as it is ours."""

from dataclasses import dataclass
from enum import StrEnum

from broker.model.names import Alias, InstallationId


class ProviderState(StrEnum):
    """Life of one alias; it never goes back."""

    RESERVED = "reserved"
    """Ours to create; nothing may be there yet."""
    LIVE = "live"
    """Was created by us and seen complete."""
    WITHDRAWN = "withdrawn"
    """Gone, or found to be somebody else's; never used again."""


@dataclass(frozen=True)
class ProviderRecord:
    """One generation of an installation's identity provider, as the database has it."""

    installation: InstallationId
    generation: int
    alias: Alias
    state: ProviderState
