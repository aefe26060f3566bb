"""Effect of the task `alert undelivered`: a person who signed out is still signed in at an app, and nothing will change that by itself.

Owns: when the operator may be told, at most once an hour for each app, and what is said: all that came since. Leaves to others: counting
(`storage/sql_undelivered`), in one transaction with the record, so that no crash loses an alert. One between the POST and its mark repeats it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from broker.errors import NotYet
from broker.model.delivery import Undelivered
from broker.model.task import Claim
from broker.ports import Clock, Deliveries, Json, Webhook

EVERY = timedelta(hours=1)


@dataclass(frozen=True)
class AlertOfSignOuts:
    """Carries out the task `alert undelivered`. The log has a line for each of them already."""

    deliveries: Deliveries
    client_ids: Mapping[str, str]
    """Of the apps, by the slug of their relay."""
    webhook: Webhook | None
    now: Clock

    async def __call__(self, claim: Claim) -> None:
        """Tell whoever listens. Raises OutsideError, and NotYet where the operator heard of this app a moment ago."""
        relay = claim.task.key
        undelivered = await self.deliveries.undelivered(relay)
        if undelivered is None:
            return
        if undelivered.alerted_at is not None and (waits := undelivered.alerted_at + EVERY - self.now()) > timedelta():
            raise NotYet(waits, "the operator was told of this app within the hour")
        if self.webhook:
            await self.webhook.post(self._content(relay, undelivered))
        await self.deliveries.mark_alerted(relay, undelivered, self.now())

    def _content(self, relay: str, undelivered: Undelivered) -> Json:
        number = undelivered.untold
        sentence = "a sign-out was" if number == 1 else f"{number} sign-outs were"
        state = undelivered.state.value if undelivered.state else "not known any more"
        outcome = f"{state} ({undelivered.answer})" if undelivered.answer else state
        return {
            "text": (
                f"{self.client_ids.get(relay, relay)}: {sentence} not delivered, so people may still be signed in there. "
                f"The latest: {outcome}. All of them: broker logouts deliveries --relay {relay}"
            ),
            "relay": relay,
            "undelivered": number,
            "state": state,
            "answer": undelivered.answer,
            "delivery": undelivered.latest,
        }
