"""An event that was kept and not taken, read anew: after an upgrade, or when the operator has extended the allow-list.

Owns: which events can be replayed. Everything else is as if it had come now: today's parser, the same checks, the same transaction.
Leaves to others: the signature, which was checked before it was kept; a body that opens is to the byte the one that was sealed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from broker.errors import BrokerError, EventRefused
from broker.events.accept import Owners, tasks_of
from broker.events.parse import Parser
from broker.events.signature import VerifiedBody
from broker.model.event import EventState
from broker.ports import Events, Receipt

log = structlog.get_logger(__name__)


class ReplayRefused(BrokerError):
    """The event can't be replayed; the text says why."""

    reason = "replay_refused"


@dataclass(frozen=True)
class Replay:
    """Reads kept events anew."""

    events: Events
    parser: Parser
    owners: Owners
    wake: Callable[[], None]
    """Tells the worker that tasks are due, if it is in this process; another one finds them by itself."""

    async def __call__(self, number: str) -> EventState:
        """What became of the event of this row. Raises KeyError, ReplayRefused, EventRefused."""
        kept = await self.events.get_whole(number)
        if kept.state is EventState.TAKEN:
            raise ReplayRefused("it was taken: what follows from it is done by tasks")
        if not kept.body:
            raise ReplayRefused("its body is erased")
        parsed = self.parser.parse(VerifiedBody(kept.body))
        self.owners.check(parsed)
        tasks = [task for fact in parsed.facts for task in tasks_of(fact)]
        receipt = await self.events.replay(number, parsed.event, parsed.facts, tasks)
        if receipt is Receipt.OTHER_OWNER:
            raise EventRefused(403, "other_owner", "the installation belongs to another app or account")
        if receipt is Receipt.DUPLICATE:
            raise ReplayRefused("it has come once more meanwhile, and was taken then")
        log.info("event replayed", number=number, type=parsed.event.key.type, state=parsed.event.state.value)
        if parsed.facts:
            self.wake()
        return parsed.event.state
