"""Ports of sign-ons, made and failed."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from broker.model.failure import Failure, Streak
from broker.model.names import AccountId, InstallationId, TalkdeskUserId
from broker.model.sign_on import SignOn, SignOnState


class SignOns(Protocol):
    """Sign-ons that we vouched for."""

    async def save(self, sign_on: SignOn) -> bool:
        """Keep a new one for which a code is issued; False, and it is not kept, where the person was logged out at or after its begin.

        Of one and the same session that is not ours, person and installation there is one at a time, begun when it was last seen.
        """
        ...

    async def find(self, sign_on_id: str) -> SignOn | None:
        """By id."""
        ...

    async def advance(self, sign_on_id: str, state: SignOnState) -> SignOn | None:
        """Move on to a later state, and say what it is then; None where there is none, it has ended, or is at that state or past it."""
        ...

    async def of_person(
        self, account: AccountId, user: TalkdeskUserId, up_to: datetime | None = None
    ) -> Sequence[SignOn]:
        """Sign-ons of this person, begun up to then, that Keycloak may still hold: `mark_told` was not called.

        Ended ones are among them until Keycloak was told; oldest first.
        """
        ...

    async def user_of_email(self, account: AccountId, email: str) -> TalkdeskUserId | None:
        """Whose latest sign-on in the account had this address, without regard to case."""
        ...

    async def is_known(self, account: AccountId, user: TalkdeskUserId) -> bool:
        """Whether this Talkdesk user ever signed on."""
        ...

    async def has_newer(self, account: AccountId, user: TalkdeskUserId, begun_after: datetime) -> bool:
        """Whether a sign-on of this person, not ended, began after then."""
        ...

    async def of_account(
        self, account: AccountId, up_to: datetime, through: InstallationId, most: int, after: SignOn | None = None
    ) -> Sequence[SignOn]:
        """As `of_person`, for everybody of the account, and without a limit in time for those through this installation.

        At most so many, of those that come after the given one.
        """
        ...

    async def end(self, sign_on_ids: Sequence[str], logout: int | None = None) -> None:
        """Mark ended, by this logout if by any: their codes and tokens are worth nothing from now on. Ended again, the first time counts."""
        ...

    async def take(self, sign_on_ids: Sequence[str], logout: int | None, within: timedelta) -> Sequence[str]:
        """As `end`; and those that the caller is to tell Keycloak of: nobody else does so already, since less than `within`."""
        ...

    async def note_answer(self, sign_on_ids: Sequence[str], status: int | None) -> None:
        """What Keycloak answered when it was told that these have ended; None where it did not. Somebody else may tell it now.

        That an app was not told (501, 504) it says once: told again it finds nothing, and the first answer stays.
        """
        ...

    async def answers(self, logout: int) -> Collection[int | None]:
        """What Keycloak answered for those that this logout ended; None where it was not told of one, and never will be."""
        ...

    async def mark_told(self, sign_on_ids: Sequence[str]) -> None:
        """Keycloak knows that these have ended: no need to tell it again."""
        ...

    async def note_session(self, sign_on_id: str, session: str, user: str) -> None:
        """Keycloak's own ids of the session and the user that this sign-on became."""
        ...

    async def end_old(self, created_before: datetime) -> int:
        """End those of before then, of which no session can be left: nobody has to be told. How many."""
        ...


class Failures(Protocol):
    """Records of failed sign-ons."""

    async def save(self, failure: Failure, *, alert_after: int | None = None) -> None:
        """Keep it under its reference.

        With `alert_after` it counts in its installation's row, where that is known; at so many in a row the task `alert` is asked for,
        at most once an hour.
        """
        ...

    async def launch_arrived(self, installation: InstallationId) -> None:
        """A launch reached its app: what failed before is no row any more."""
        ...

    async def streak(self, installation: str) -> Streak | None:
        """Its row of failures as it stands; None where it has none, or its last failure is no longer kept."""
        ...

    async def find(self, reference: str) -> Failure | None:
        """By reference."""
        ...
