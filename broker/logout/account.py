"""An app was uninstalled: everybody of the account is signed out, offline sessions too, before the identity provider goes.

Once it is gone its sessions are dead, and no app is ever told.
"""

from dataclasses import dataclass

from broker.logout.end_sessions import EndSessions
from broker.model.installation import Installation
from broker.ports import Clock, SignOns


@dataclass(frozen=True)
class EndAccount:
    """Ends the sign-ons of an account."""

    sign_ons: SignOns
    end_sessions: EndSessions
    now: Clock

    async def __call__(self, installation: Installation) -> None:
        """End all that began up to the uninstall, and everything that came through this installation. Raises KeycloakError."""
        known = await self.sign_ons.of_account(installation.account, self.now())
        closed_at = installation.changed_at
        sign_ons = [each for each in known if each.begun_at <= closed_at or each.installation == installation.id]
        await self.end_sessions.all(sign_ons, ends_offline_access=True)
        await self.sign_ons.mark_told([sign_on.id for sign_on in sign_ons])
