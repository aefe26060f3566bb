"""What we know of our identity providers in the realm, and what one is as far as it is ours."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from broker.model.installation import Installation
from broker.model.names import Alias, InstallationId

MOST_REPAIRS = 2
"""Of one field within `CONTESTED_FOR`: when somebody else writes it a third time, it is left to people."""
CONTESTED_FOR = timedelta(hours=1)


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


@dataclass(frozen=True)
class KnownProvider:
    """What the database knows of an installation and one generation of its identity provider."""

    record: ProviderRecord | None
    """None: never made."""
    is_newest: bool
    """Whether it is the installation's newest generation."""
    installation: Installation | None
    """Without credentials; None where neither an install nor an uninstall was heard of."""
