"""Talkdesk's public event keys, by id, from a listed gateway ("Events" in docs/talkdesk.md).

Owns: the open points of the answer (which field, base64 of what, which curve), and how long a key is remembered.
Leaves to others: what a key is used for.

Anybody may send us a request that names a key, so what an invented id costs is bounded: it is remembered as unknown, in a place of its
own, so that a flood of them pushes no key out; only so many fetches run at once, and only so many in a time. What is over that is
refused as if Talkdesk could not be reached: a real event with a new key comes again, and one with a known key needs no fetch.
"""

import base64
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from broker.errors import TalkdeskError
from broker.model.budget import Budget
from broker.ports import Clock
from broker.talkdesk.cache import AgedValues, SingleFlight
from broker.talkdesk.wire import Wire

FRESH = timedelta(hours=1)
"""A key is asked for anew after this, so that one that Talkdesk has withdrawn is not believed for long."""
LAST_RESORT = timedelta(hours=24)
"""While Talkdesk can't be asked, a key that it gave is believed this long: an event refused three times never comes again."""
UNKNOWN = timedelta(seconds=30)
"""Short: a new key may be used before every gateway knows it."""
MAX_FETCHES = 8
BURST = 32
"""Fetches that may follow each other at once. Talkdesk has a handful of keys."""
REFILL = timedelta(seconds=2)
"""Then one in this time."""
MAX_KEYS = 64
MAX_UNKNOWN = 1024

_WHAT = "event key"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_PEM = b"-----BEGIN PUBLIC KEY-----"

_Place = tuple[str, str]


class EventKeys:
    """EventKeySource: keys are fetched once and remembered."""

    def __init__(self, wire: Wire, clock: Clock) -> None:
        """`clock` gives the ages of what is remembered."""
        self._wire = wire
        self._clock = clock
        self._keys: AgedValues[_Place, EllipticCurvePublicKey] = AgedValues(MAX_KEYS)
        self._unknown: AgedValues[_Place, bool] = AgedValues(MAX_UNKNOWN)
        self._flights: SingleFlight[_Place, EllipticCurvePublicKey | None] = SingleFlight()
        self._budget = Budget(BURST, REFILL)

    async def fetch(self, root: str, key_id: str) -> EllipticCurvePublicKey | None:
        """As the port says."""
        gateway = self._wire.hosts.check_gateway(root)
        if not _KEY_ID.fullmatch(key_id):
            return None
        place, now = (gateway, key_id), self._clock()
        key = self._keys.find(place, now, FRESH)
        if key is not None or self._unknown.find(place, now, UNKNOWN):
            return key
        try:
            return await self._fetch_once(place)
        except TalkdeskError:
            key = self._keys.find(place, now, LAST_RESORT)
            if key is None:
                raise
            return key

    async def _fetch_once(self, place: _Place) -> EllipticCurvePublicKey | None:
        if place not in self._flights:
            now = self._clock()
            if len(self._flights) >= MAX_FETCHES:
                raise TalkdeskError(f"{_WHAT}: {MAX_FETCHES} fetches are under way")
            # A key that was there before is no invented one: asking for it anew takes nothing from the others.
            if self._keys.find(place, now) is None and not self._budget.take(now):
                raise TalkdeskError(f"{_WHAT}: too many unknown ids")
        return await self._flights.run(place, lambda: self._fetch(place))

    async def _fetch(self, place: _Place) -> EllipticCurvePublicKey | None:
        gateway, key_id = place
        try:
            answer = await self._wire.call(_WHAT, "GET", f"{gateway}/events/signature-keys/{key_id}")
        except TalkdeskError as error:
            if error.status not in (404, 410):
                raise
            self._keys.forget(place)
            self._unknown.keep(place, True, self._clock())
            return None
        key = _only_key(answer.body)
        self._keys.keep(place, key, self._clock())
        return key


def _only_key(body: bytes) -> EllipticCurvePublicKey:
    """The one event key in the answer, whatever its field is called [open]. Two different ones would be a guess: refused."""
    found = {}
    for text in _texts(body):
        key = _public_key(text)
        if key is not None:
            found[key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)] = key
    if len(found) != 1:
        raise TalkdeskError(f"{_WHAT}: the answer holds {len(found)} keys")
    return next(iter(found.values()))


def _texts(body: bytes) -> Iterator[str]:
    """Strings of the answer: of a JSON object, or of objects in it; or the answer itself, where that is a string or PEM."""
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        content = body.decode("ascii", "replace")
    values = [content]
    for _depth in range(3):
        yield from (value for value in values if isinstance(value, str))
        values = [inner for value in values if isinstance(value, dict) for inner in value.values()]


def _public_key(text: str) -> EllipticCurvePublicKey | None:
    """A key on a curve that may sign events: PEM, base64 of PEM, or base64 of a DER SubjectPublicKeyInfo [open]."""
    try:
        content = text.strip().encode("ascii")
        if not content.startswith(_PEM):
            content = base64.b64decode(b"".join(content.split()), validate=True)
        pem = content.strip().startswith(_PEM)
        key = load_pem_public_key(content) if pem else load_der_public_key(content)
    except (ValueError, UnsupportedAlgorithm):  # no key, or of a kind that signs no events
        return None
    return key if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, _CURVES) else None
