"""`user.logout` → every sign-on of that person begun before it, whichever installation it came through.

Times are Talkdesk's on both sides; at equal times the sign-on ends, since Talkdesk's may be whole seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from broker.errors import KeycloakError
from broker.logout.deliver import observe_completed
from broker.logout.end_sessions import SETTLED, EndSessions
from broker.model.facts import LoggedOut
from broker.model.logout import Logout, LogoutCause
from broker.model.names import TalkdeskUserId, username_of
from broker.model.sign_on import SignOn, SignOnState
from broker.model.task import Claim, Task, TaskKind
from broker.observation import UNOBSERVED, Observer
from broker.ports import Asked, Clock, LogoutRecords, Logouts, SignOns, Tasks

log = structlog.get_logger()

ROUNDS = (timedelta(0), timedelta(seconds=5), timedelta(seconds=60))
"""When a logout is done, and done again: a code that was redeemed a moment before becomes a session a moment later."""


@dataclass(frozen=True)
class SignOut:
    """Effect of a sign-out task."""

    logouts: Logouts
    records: LogoutRecords
    sign_ons: SignOns
    tasks: Tasks
    end_sessions: EndSessions
    now: Clock
    observer: Observer = UNOBSERVED

    async def __call__(self, claim: Claim) -> None:
        """Sign the person out. Raises KeycloakError where Keycloak has to be asked again."""
        number, _, round_text = claim.task.key.partition("#")
        asked = await self.logouts.get(int(number))
        user = await self._user(asked.logout)
        record = await self.records.begin(_record(number, asked, user), asked.received_at)
        try:
            problem = (
                await self._end(asked, user, record, number, int(round_text or 1))
                if user is not None
                else await self._end_unrecorded(asked)
            )
        except KeycloakError as error:
            await self.records.note_problem(record, str(error))
            raise
        observe_completed(await self.records.mark_told(record, self.now(), problem), self.observer)

    async def _end_unrecorded(self, asked: Asked) -> str:
        """Of somebody who never signed on here, as far as is known: a database that was restored does not know the last ones."""
        log.info("a sign-out of nobody who signed on here", account=asked.logout.account)
        is_removal = asked.cause is LogoutCause.REMOVED
        swept = await self._sweep(asked.logout, asked.logout.user, [], ends_offline_access=is_removal)
        return (
            swept
            or "nobody of this user id or address ever signed on here, as far as is known; Keycloak was asked all the same"
        )

    async def _end(self, asked: Asked, user: TalkdeskUserId, record: int, number: str, round_number: int) -> str | None:
        logout, ends_offline_access = asked.logout, asked.cause is LogoutCause.REMOVED
        sign_ons = await self.sign_ons.of_person(logout.account, user, logout.created_at)
        is_last = round_number >= len(ROUNDS)
        settled_before = self.now() - SETTLED

        def is_settled(sign_on: SignOn) -> bool:
            # Seen at the return of its launch it is a session already.
            return is_last or sign_on.state is SignOnState.SEEN or sign_on.created_at < settled_before

        await self.end_sessions.all(
            sign_ons, logout=record, ends_offline_access=ends_offline_access, is_settled=is_settled
        )
        swept = await self._sweep(logout, user, sign_ons, ends_offline_access=ends_offline_access)
        if not all(map(is_settled, sign_ons)):
            again = Task(TaskKind.SIGN_OUT, f"{number}#{round_number + 1}")
            await self.tasks.enqueue(again, ROUNDS[round_number])
        log.info("signed out", account=logout.account, user=user, sign_ons=len(sign_ons))
        return await self.end_sessions.problem_of(record) or swept

    async def _user(self, logout: LoggedOut) -> TalkdeskUserId | None:
        if await self.sign_ons.is_known(logout.account, logout.user):
            return logout.user
        by_email = await self.sign_ons.user_of_email(logout.account, logout.email) if logout.email else None
        if by_email:
            log.warning("a sign-out whose user id fits nobody was matched by e-mail", account=logout.account)
        return by_email

    async def _sweep(
        self, logout: LoggedOut, user: TalkdeskUserId, sign_ons: Sequence[SignOn], *, ends_offline_access: bool
    ) -> str | None:
        """By `sub`, which would end newer sessions too: only where there are none."""
        if await self.sign_ons.has_newer(logout.account, user, logout.created_at):
            return None
        problem = None
        sub = username_of(logout.account, user)
        for installation in sorted({logout.installation, *(sign_on.installation for sign_on in sign_ons)}):
            swept = await self.end_sessions.sweep(installation, sub, ends_offline_access=ends_offline_access)
            problem = problem or swept
        return problem


def _record(number: str, asked: Asked, user: TalkdeskUserId | None) -> Logout:
    logout = asked.logout
    return Logout(asked.cause, number, asked.event, logout.account, user or logout.user, logout.installation)
