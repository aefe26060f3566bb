"""An app was uninstalled: everybody of the account is signed out, offline sessions too, before the identity provider goes.

Once it is gone its sessions are dead, and no app is ever told.
"""

from dataclasses import dataclass

from broker.logout.end_sessions import EndSessions
from broker.model.installation import Installation
from broker.ports import SignOns

_AT_MOST = 200
"""Sign-ons that are read at a time: an account may have many."""


@dataclass(frozen=True)
class EndAccount:
    """Ends the sign-ons of an account."""

    sign_ons: SignOns
    end_sessions: EndSessions

    async def __call__(self, installation: Installation) -> None:
        """End all that began up to the uninstall, and everything that came through this installation. Raises KeycloakError."""
        closed_at = installation.changed_at
        while some := await self.sign_ons.of_account(installation.account, closed_at, installation.id, _AT_MOST):
            await self.end_sessions.all(some, ends_offline_access=True)
