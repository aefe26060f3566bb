"""Rotation of the issuers' keys, with no failed sign-on: a key is published before it signs, and for a while after it signed last.

Keycloak keeps the key set for a day, and fetches it anew for a `kid` that it does not know. It may get it from any replica, or from a
cache in between: so a new key waits until every replica has read it and no cache can be without it.
"""

import asyncio
from datetime import timedelta

import structlog

from broker.errors import StorageError
from broker.issuer.keys import SigningKeys, generate_private_jwk
from broker.ports import IssuerKeys

log = structlog.get_logger()

EVERY = timedelta(minutes=1)
"""How often a process reads the stored keys."""
PUBLISHED_BEFORE = timedelta(minutes=10)
"""Longer than a replica takes to read a new key and a cache may keep the key set (five minutes), together."""
PUBLISHED_AFTER = timedelta(hours=1)
"""Longer than anything lives that the issuers sign: ID tokens and logout tokens, minutes."""


async def begin_rotation(store: IssuerKeys, after: timedelta = PUBLISHED_BEFORE) -> bool:
    """A new key, which signs `after` from now; False where one waits for its turn already. Raises StorageError."""
    return await store.add_next(generate_private_jwk(), after)


async def keep_keys(keys: SigningKeys, store: IssuerKeys) -> None:
    """Follow the rotation until cancelled."""
    while True:
        await asyncio.sleep(EVERY.total_seconds())
        try:
            await store.forget_replaced(PUBLISHED_AFTER)
            await keys.follow(store)
        except StorageError as error:
            log.warning("issuer keys could not be read again", error=str(error))
