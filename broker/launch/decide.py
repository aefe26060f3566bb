"""Which session is this, and what next? Pure: the whole decision of a launch that came back from Keycloak.

The hint is compared, never believed: it can only save a trip to Talkdesk.
"""

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


def decide(launch: Launch, installation: Installation, session: SignOn) -> Next:
    """Keycloak answered: its session comes from this sign-on."""
    lives = session.state is not SignOnState.ENDED

    def is_of(user: str | None) -> bool:
        return (session.person.account, session.person.user) == (installation.account, user)

    if launch.proven is not None:
        return Next.OPEN_APP if lives and is_of(launch.proven) else Next.END_AND_SIGN_ON
    # Asked since this launch began: by when the code came, a sign-on that somebody else began before might pass for ours.
    is_of_this_launch = session.installation == launch.installation and session.asked_at >= launch.began_at
    return Next.OPEN_APP if lives and (is_of_this_launch or is_of(launch.hint)) else Next.PROVE
