"""An installation was closed: everybody of the account is signed out, offline sessions too, before the identity provider goes.

Once it is gone its sessions are dead, and no app is ever told.
"""

from dataclasses import dataclass
from datetime import timedelta

from broker.errors import KeycloakError, NotYet
from broker.logout.deliver import observe_completed
from broker.logout.end_sessions import SETTLED, EndSessions
from broker.model.installation import Installation
from broker.model.logout import Logout, LogoutCause
from broker.model.sign_on import SignOn, SignOnState
from broker.observation import UNOBSERVED, Observer
from broker.ports import Clock, LogoutRecords, SignOns

_AT_MOST = 50
"""Sign-ons that are read at a time: an account may have many."""
_OF_LEASE = 3
"""For this part of a lease pages are begun; then the task comes again, and goes on with what is left."""
_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True)
class EndAccount:
    """Ends the sign-ons of an account."""

    sign_ons: SignOns
    records: LogoutRecords
    end_sessions: EndSessions
    now: Clock
    observer: Observer = UNOBSERVED

    async def __call__(self, installation: Installation) -> None:
        """End all that began up to the close, and everything that came through this installation.

        Raises KeycloakError, and NotYet where a sign-on may become a session only now: its code was redeemed just before the door closed.
        """
        number = await self.records.begin(_logout(installation), self.now())
        try:
            is_settled = await self._end(installation, number)
        except KeycloakError as error:
            await self.records.note_problem(number, str(error))
            raise
        if not is_settled:
            raise NotYet(_AGAIN, "sign-ons of a moment ago are ended once more")
        problem = await self.end_sessions.problem_of(number)
        observe_completed(await self.records.mark_told(number, self.now(), problem), self.observer)

    async def _end(self, installation: Installation, number: int) -> bool:
        """Page by page; those that Keycloak refuses must not keep it from hearing of the others. Whether all are settled."""
        last, refusal, are_settled = None, None, True
        until = self.now() + self.end_sessions.lease / _OF_LEASE
        while some := await self.sign_ons.of_account(
            installation.account, installation.changed_at, installation.id, _AT_MOST, last
        ):
            last = some[-1]
            are_settled = are_settled and all(map(self._is_settled, some))
            try:
                await self.end_sessions.all(some, logout=number, ends_offline_access=True, is_settled=self._is_settled)
            except KeycloakError as error:
                if error.status is None:
                    raise
                refusal = refusal or error
            if refusal is None and self.now() > until:
                # Cut off, the last batch would be told once more, a lease later.
                raise NotYet(timedelta(), "more sign-ons are left")
        if refusal is not None:
            raise refusal
        return are_settled

    def _is_settled(self, sign_on: SignOn) -> bool:
        """Whether it is a session by now or never will be: seen as one, or ended before by an earlier run of this."""
        is_known = sign_on.state in (SignOnState.SEEN, SignOnState.ENDED)
        return is_known or sign_on.created_at < self.now() - SETTLED


def _logout(installation: Installation) -> Logout:
    subject = f"{installation.id} {installation.changed_at.isoformat()}"
    return Logout(LogoutCause.CLOSED, subject, None, installation.account, None, installation.id)
