"""When what fails is owed to Talkdesk: it is tried for as long as Talkdesk waits, and a person is called a day before that ends (pure)."""

from datetime import datetime

from broker.errors import KeycloakError, OutsideError, TalkdeskError
from broker.model.deadline import Urgency, urgency_of


def urgent(error: OutsideError, created_at: datetime, now: datetime) -> OutsideError:
    """The error of an answer that is owed for an event of then.

    What Talkdesk refuses for good today (a 403, a 404) may be a mistake that is mended tomorrow: only the deadline is final, and only
    for what is said to Talkdesk. Keycloak is made what the facts say also after it.
    """
    urgency = urgency_of(created_at, now)
    if urgency is Urgency.CALM and not error.is_final:
        return error
    kind = TalkdeskError if isinstance(error, TalkdeskError) else KeycloakError
    return kind(
        f"{error} ({_WORDS[urgency]})" if urgency is not Urgency.CALM else str(error),
        status=error.status,
        code=error.code,
        retry_after=error.retry_after,
        is_final=urgency is Urgency.OVER and kind is TalkdeskError,
        is_alarming=urgency is not Urgency.CALM,
    )


_WORDS = {
    Urgency.ALARMING: "Talkdesk waits less than a day more for this answer",
    Urgency.OVER: "Talkdesk waits no more for this answer",
}
