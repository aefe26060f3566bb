"""One delivery, from raw bytes to stored facts (docs/flows.md, "Event in"): ordered steps, each of which may refuse.

Owns: the order, the answers to Talkdesk, and a log line for each delivery, with its ids and never its body.
Leaves to others: HTTP (`endpoint`), keys (EventKeySource), whose event it is and what follows (`accept`), the transaction and what a
duplicate is (Events), the tasks (`worker`).

The signature proves Talkdesk, not our app and not our customer: both are checked after it (docs/security.md).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from broker.errors import EventRefused, LinkRefused, StorageError, TalkdeskError
from broker.events.accept import Owners, tasks_of
from broker.events.parse import ParsedEvent, Parser
from broker.events.signature import Signature, VerifiedBody, read_signature, unverified_root, verify
from broker.model.event import EventState
from broker.observation import UNOBSERVED, Observer
from broker.ports import EventKeySource, Events, Receipt

MAX_BODY_BYTES = 256 * 1024

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Receive:
    """The intake."""

    keys: EventKeySource
    events: Events
    parser: Parser
    gateways: Sequence[str]
    """Roots of the listed gateways; each is asked for the key of a body that names none."""
    owners: Owners
    wake: Callable[[], None]
    """Tells the worker that tasks are due."""
    observer: Observer = UNOBSERVED

    async def __call__(self, body: bytes, headers: Mapping[str, str]) -> int:
        """HTTP status: 202 for a new event, 200 for one that is here already. `headers` by lower-case name. Raises EventRefused."""
        try:
            verified = await self._verify(body, headers)
        except EventRefused as refused:
            _log.warning("event refused", status=refused.status, reason=refused.reason, detail=str(refused))
            raise
        parsed = self.parser.parse(verified)
        key = parsed.event.key
        log = _log.bind(
            event_id=key.event, type=key.type, app=key.app, account=parsed.event.account, installation=key.installation
        )
        try:
            self.owners.check(parsed)
            receipt = await self._store(parsed)
        except EventRefused as refused:
            log.warning("event refused", status=refused.status, reason=refused.reason, detail=str(refused))
            raise
        outcome = receipt if receipt is Receipt.DUPLICATE else parsed.event.state
        self.observer.event_received(key.type, outcome.value)
        if receipt is Receipt.DUPLICATE:
            log.info("event is here already")
            return 200
        if parsed.event.state is EventState.TAKEN:
            log.info("event taken")
        else:
            log.warning("event kept", state=parsed.event.state.value, problem=parsed.problem)
        if parsed.facts:
            self.wake()
        return 202

    async def _verify(self, body: bytes, headers: Mapping[str, str]) -> VerifiedBody:
        if len(body) > MAX_BODY_BYTES:
            raise EventRefused(413, "too_big", f"more than {MAX_BODY_BYTES} bytes")
        signature = read_signature(headers)
        root = unverified_root(body)
        refusal: EventRefused | None = None
        for gateway in self.gateways if root is None else (root,):
            try:
                return await self._verify_by(gateway, body, signature)
            except EventRefused as refused:
                # 503 outweighs 401: the gateway that did not answer may be the one that knows the key.
                if refusal is None or refused.status == 503:
                    refusal = refused
        raise refusal or EventRefused(401, "unknown_gateway", "the event names no gateway, and none is listed")

    async def _verify_by(self, gateway: str, body: bytes, signature: Signature) -> VerifiedBody:
        try:
            key = await self.keys.fetch(gateway, signature.key_id)
        except LinkRefused as error:
            # 401 and not 403: without a gateway that we trust there is nobody who could vouch for the body.
            raise EventRefused(401, "unknown_gateway", str(error)) from None
        except TalkdeskError as error:
            raise EventRefused(503, "key_unavailable", str(error)) from None
        if key is None:
            raise EventRefused(401, "unknown_key", "Talkdesk does not know the key")
        return verify(body, signature, key)

    async def _store(self, parsed: ParsedEvent) -> Receipt:
        tasks = [task for fact in parsed.facts for task in tasks_of(fact)]
        try:
            receipt = await self.events.receive(parsed.event, parsed.facts, tasks)
        except StorageError as error:
            raise EventRefused(503, "storage_unavailable", str(error)) from None
        if receipt is Receipt.OTHER_OWNER:
            raise EventRefused(403, "other_owner", "the installation belongs to another app or account")
        return receipt
