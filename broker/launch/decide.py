"""Which session is this, and what next? Pure: the whole decision of a launch that came back from Keycloak.

The hint is compared, never believed: it can only save a trip to Talkdesk.
"""

from enum import Enum, auto

from broker.model.authorization import Launch, Proven
from broker.model.installation import Installation
from broker.model.sign_on import SignOn, SignOnState


class Next(Enum):
    """What a launch does next."""

    OPEN_APP = auto()
    """The right person is in the session."""
    PROVE = auto()
    """Ask Talkdesk who is at this browser, before anything ends."""
    END_AND_SIGN_ON = auto()
    """The session is another Talkdesk person's, and opened by us: end it and sign on again."""


def after_keycloak(launch: Launch, installation: Installation, session: SignOn) -> Next:
    """Keycloak answered: its session comes from this sign-on."""
    if session.state is SignOnState.ENDED:
        return Next.PROVE
    if session.installation == launch.installation and session.created_at >= launch.began_at:
        return Next.OPEN_APP
    is_hinted = session.person.account == installation.account and session.person.user == launch.hint
    return Next.OPEN_APP if is_hinted else Next.PROVE


def after_proof(session: SignOn, proven: Proven) -> Next:
    """Talkdesk answered: this person is at the browser for certain."""
    is_same = (session.person.account, session.person.user) == (proven.person.account, proven.person.user)
    return Next.OPEN_APP if is_same and session.state is not SignOnState.ENDED else Next.END_AND_SIGN_ON
