"""`user.logout` → every sign-on of that person begun before it, whichever installation it came through.

Times are Talkdesk's on both sides; at equal times the sign-on ends, since Talkdesk's may be whole seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from broker.logout.end_sessions import EndSessions
from broker.model.facts import LoggedOut
from broker.model.names import TalkdeskUserId, username_of
from broker.model.sign_on import SignOn
from broker.model.task import Claim, Task, TaskKind
from broker.ports import Clock, Logouts, SignOns, Tasks

log = structlog.get_logger()

ROUNDS = (timedelta(0), timedelta(seconds=5), timedelta(seconds=60))
"""When a logout is done, and done again: a code that was redeemed a moment before becomes a session a moment later."""

SETTLED = timedelta(minutes=2)
"""After this long a sign-on can't become a session any more."""


@dataclass(frozen=True)
class SignOut:
    """Effect of a sign-out task."""

    logouts: Logouts
    sign_ons: SignOns
    tasks: Tasks
    end_sessions: EndSessions
    now: Clock

    async def __call__(self, claim: Claim) -> None:
        """Sign the person out. Raises KeycloakError where Keycloak has to be asked again."""
        number, _, round_text = claim.task.key.partition("#")
        logout = await self.logouts.get(int(number))
        user = await self._user(logout)
        if user is None:
            log.info("a sign-out of nobody who signed on here", account=logout.account)
            return
        sign_ons = await self.sign_ons.of_person(logout.account, user, logout.created_at)
        round_number = int(round_text or 1)
        is_last = round_number >= len(ROUNDS)
        settled_before = self.now() - SETTLED

        def is_settled(sign_on: SignOn) -> bool:
            return is_last or sign_on.created_at < settled_before

        await self.end_sessions.all(sign_ons, is_settled=is_settled)
        await self._sweep(logout, user, sign_ons)
        if not all(map(is_settled, sign_ons)):
            again = Task(TaskKind.SIGN_OUT, f"{number}#{round_number + 1}")
            await self.tasks.enqueue(again, ROUNDS[round_number])
        log.info("signed out", account=logout.account, user=user, sign_ons=len(sign_ons))

    async def _user(self, logout: LoggedOut) -> TalkdeskUserId | None:
        if await self.sign_ons.is_known(logout.account, logout.user):
            return logout.user
        by_email = await self.sign_ons.user_of_email(logout.account, logout.email) if logout.email else None
        if by_email:
            log.warning("a sign-out whose user id fits nobody was matched by e-mail", account=logout.account)
        return by_email

    async def _sweep(self, logout: LoggedOut, user: TalkdeskUserId, sign_ons: Sequence[SignOn]) -> None:
        """By `sub`, which would end newer sessions too: only where there are none."""
        if await self.sign_ons.has_newer(logout.account, user, logout.created_at):
            return
        for installation in sorted({logout.installation, *(sign_on.installation for sign_on in sign_ons)}):
            await self.end_sessions.sweep(installation, username_of(logout.account, user))
