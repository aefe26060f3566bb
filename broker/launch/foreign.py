"""A launch that ends in a session that is not ours (mode existing): who was proven there is remembered, so that a sign-out finds it.

Owns: the record. Leaves to others: whether such a session may be ended (`logout/end_sessions`); by default it is not, and the sign-out's
record says so.
"""

from dataclasses import dataclass

from broker.door import Door
from broker.errors import SignOnFailed
from broker.model.authorization import Launch
from broker.model.failure import Reason, Stage
from broker.model.installation import Installation
from broker.model.names import Alias, username_of
from broker.model.pkce import random_value
from broker.model.sign_on import Person, SignOn, SignOnState
from broker.ports import Clock, SignOns


@dataclass(frozen=True)
class ForeignSessions:
    """Remembers in which Keycloak session a proven person was let in."""

    door: Door
    sign_ons: SignOns
    now: Clock

    async def note(self, installation: Installation, launch: Launch, person: Person, session: str) -> None:
        """Keep it. Raises SignOnFailed where the person signed out of Talkdesk after having been proven."""
        sign_on = SignOn(
            id=random_value(),
            sid=random_value(),
            installation=installation.id,
            person=person,
            sub=username_of(person.account, person.user),
            begun_at=launch.proven_at or launch.began_at,
            asked_at=launch.began_at,
            created_at=self.now(),
            state=SignOnState.SEEN,
            alias=await self.door.alias(installation) or Alias(""),
            foreign_session=session,
        )
        if not await self.sign_ons.save(sign_on):
            raise SignOnFailed(
                Stage.RETURN,
                Reason.SIGNED_OUT_MEANWHILE,
                status=403,
                installation=installation.id,
                hint=launch.hint,
            )
