"""Which session is this, and what next? Pure: the whole decision of a launch that came back from Keycloak.

The hint is compared, never believed: it can only save a trip to Talkdesk.
"""

from dataclasses import dataclass
from enum import Enum, auto

from broker.model.authorization import Launch
from broker.model.installation import Installation
from broker.model.sign_on import SignOn, SignOnState


class Next(Enum):
    """What a launch does next."""

    OPEN_APP = auto()
    """The right person is in the session."""
    PROVE = auto()
    """Ask Talkdesk who is at this browser, before anything ends."""
    END_AND_SIGN_ON = auto()
    """The session is not the proven person's, and opened by us: end it and sign on again."""
    STOP = auto()
    """The session is not the proven person's, and not opened by us: it is not ours to end."""


@dataclass(frozen=True)
class Session:
    """The session that Keycloak has in this browser."""

    user: str
    """Id of the Keycloak user."""
    sign_on: SignOn | None
    """That it comes from; None where it is not ours: a company's own sign-in."""
    id: str | None = None
    """Keycloak's id of it, as in its logout tokens (`sid`)."""


def decide(launch: Launch, installation: Installation, session: Session) -> Next:
    """Keycloak answered: whose session is it, and what follows?"""
    if session.sign_on is None:
        return _decide_on_a_session_that_is_not_ours(launch, session)
    return _decide(launch, installation, session.sign_on)


def _decide_on_a_session_that_is_not_ours(launch: Launch, session: Session) -> Next:
    # It says nothing about Talkdesk, so not even the hint can be compared with it.
    if launch.proven is None:
        return Next.PROVE
    return Next.OPEN_APP if launch.realm_user == session.user else Next.STOP


def _decide(launch: Launch, installation: Installation, session: SignOn) -> Next:
    lives = session.state is not SignOnState.ENDED

    def is_of(user: str | None) -> bool:
        return (session.person.account, session.person.user) == (installation.account, user)

    if launch.proven is not None:
        return Next.OPEN_APP if lives and is_of(launch.proven) else Next.END_AND_SIGN_ON
    # Asked since this launch began: by when the code came, a sign-on that somebody else began before might pass for ours.
    is_of_this_launch = session.installation == launch.installation and session.asked_at >= launch.began_at
    return Next.OPEN_APP if lives and (is_of_this_launch or is_of(launch.hint)) else Next.PROVE
