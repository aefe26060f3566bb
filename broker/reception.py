"""Who is served now: no more people at once than can be served soon, and nobody waits longer than is bearable.

Beyond capacity a page that comes at once is better than a queue of minutes, in which everybody gives up and clicks again. Who begins is
sent away first: those on the way have cost something already, and what Keycloak asks for them comes last.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from broker.errors import OAuthError, SignOnFailed
from broker.model.failure import Reason, Stage
from broker.outbound import answered_within

OTHERS_SHARE = 0.9
"""Of the time that a person waits, what Talkdesk and Keycloak may take; the rest is for the record and the page."""
ON_THE_WAY = 2
"""So many times as many are served while nobody new is."""
FOR_KEYCLOAK = 4
"""The same of all, when Keycloak asks: a person stands behind it, too, and would see its own page."""


class Reception:
    """Counts the requests that one process works on."""

    def __init__(self, at_once: int, answer_s: float) -> None:
        """`at_once`: with so many under way nobody begins. `answer_s`: the longest that a person waits."""
        self._at_once = at_once
        self.patience_s = answer_s * OTHERS_SHARE
        """For all calls of one request together."""
        self.under_way = 0

    @contextmanager
    def receive(self, stage: Stage) -> Iterator[None]:
        """Work on a person's request. Raises SignOnFailed where there are too many."""
        if self.under_way >= self._at_once * (1 if stage is Stage.LAUNCH else ON_THE_WAY):
            raise SignOnFailed(stage, Reason.CROWDED, status=503)
        with self._counted():
            yield

    @contextmanager
    def receive_call(self) -> Iterator[None]:
        """Work on a request of Keycloak's. Raises OAuthError where there are too many."""
        if self.under_way >= self._at_once * FOR_KEYCLOAK:
            raise OAuthError("temporarily_unavailable", "too many requests at once", status=503)
        with self._counted():
            yield

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self.under_way += 1
        try:
            with answered_within(self.patience_s):
                yield
        finally:
            self.under_way -= 1
