"""Which Keycloak session a sign-on became: noted in passing, as the ID token of a launch says both.

Keycloak's logout tokens name its own session and user; by these they are told to belong to a logout.
"""

from dataclasses import dataclass
from datetime import datetime

import structlog

from broker.errors import StorageError
from broker.ports import Json, RealmKeys, SignOns

log = structlog.get_logger()


@dataclass(frozen=True)
class SessionsSeen:
    """`RealmKeys` for launches; says what the other one says."""

    realm_keys: RealmKeys
    sign_ons: SignOns

    async def verify(self, token: str, now: datetime) -> Json:
        """As the port says. A record that can't be completed stops no launch."""
        claims = await self.realm_keys.verify(token, now)
        sign_on, session, user = (claims.get(name) for name in ("talkdesk_sign_on", "sid", "sub"))
        if isinstance(sign_on, str) and isinstance(session, str) and isinstance(user, str):
            try:
                await self.sign_ons.note_session(sign_on, session, user)
            except StorageError as error:
                log.warning("the Keycloak session of a sign-on could not be noted", error=str(error))
        return claims
