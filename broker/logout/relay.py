"""RELAY: Keycloak's logout token for an app, from the request to the first try (docs/sign-out.md).

Owns: the order of the steps, and the answers to Keycloak. Leaves to others: HTTP (`endpoint`), claims (`received_token`), later
tries (`deliver`).

Keycloak posts a token once and forgets. It is stored before anything else is done with it, so that it is delivered whatever happens to
this process; then it is tried once before Keycloak is answered, so that a healthy app is out before Keycloak goes on (T14).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import structlog

from broker.errors import KeycloakError, LogoutRefused, StorageError
from broker.logout.deliver import RelayedApp, Settle
from broker.logout.received_token import read_claims
from broker.model.delivery import FIRST_TRY, Delivery, ReceivedToken
from broker.observation import UNOBSERVED, Observer
from broker.ports import Clock, Deliveries, RealmKeys

log = structlog.get_logger()

_TASK_AFTER = FIRST_TRY + timedelta(milliseconds=500)
"""When the task takes over, where this process has gone meanwhile."""


@dataclass(frozen=True)
class Relay:
    """Takes logout tokens for the configured apps."""

    apps: Mapping[str, RelayedApp]
    """By slug; nobody else's address is ever called."""
    realm_issuer: str
    realm_keys: RealmKeys
    deliveries: Deliveries
    settle: Settle
    wake: Callable[[], None]
    """Tells the worker that tasks are due."""
    now: Clock
    observer: Observer = UNOBSERVED

    async def __call__(self, slug: str, token: str) -> None:
        """Returns once Keycloak may go on: confirmed, or stored and tried. Raises LogoutRefused."""
        try:
            app, received = await self._verify(slug, token)
            number = await self._store(app, received)
        except LogoutRefused as refused:
            self.observer.relay_refused(refused.reason)
            log.warning("a logout token was refused", relay=slug, reason=refused.reason, detail=str(refused))
            raise
        await self._try(app, number, received)

    async def _verify(self, slug: str, token: str) -> tuple[RelayedApp, ReceivedToken]:
        app = self.apps.get(slug)
        if app is None:
            raise LogoutRefused(404, "unknown_relay", "no such relay is configured")
        now = self.now()
        try:
            claims = await self.realm_keys.verify(token, now)
        except ValueError as error:
            raise LogoutRefused(400, "signature", str(error)) from None
        except KeycloakError as error:
            raise LogoutRefused(503, "keys_unavailable", str(error)) from None
        issuer, client_id = self.realm_issuer, app.client_id
        return app, read_claims(claims, token, relay=slug, issuer=issuer, client_id=client_id, now=now)

    async def _store(self, app: RelayedApp, received: ReceivedToken) -> int:
        now = self.now()
        if not app.budget.take(now):
            raise LogoutRefused(503, "too_many", "more logouts than this relay takes at once")
        try:
            number = await self.deliveries.receive(received, now, now + _TASK_AFTER)
        except StorageError as error:
            raise LogoutRefused(503, "storage_unavailable", str(error)) from None
        if number is None:
            raise LogoutRefused(400, "replayed", "this jti was used before")
        return number

    async def _try(self, app: RelayedApp, number: int, received: ReceivedToken) -> None:
        try:
            if await self.settle(app, Delivery(number, 0, received.expires_at, None, received.token), FIRST_TRY):
                self.wake()
        except StorageError as error:
            # It is stored and stays open: the task delivers it once more.
            log.warning("a delivery could not be noted", relay=app.slug, delivery=number, error=str(error))
