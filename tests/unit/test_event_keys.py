"""Talkdesk's event keys: what is read, what is remembered how long, and what a flood of invented ids costs."""

import asyncio
import base64
import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import LinkRefused, TalkdeskError
from broker.talkdesk.event_keys import (
    BURST,
    FRESH,
    LAST_RESORT,
    MAX_FETCHES,
    MAX_KEYS,
    MAX_UNKNOWN,
    REFILL,
    UNKNOWN,
    EventKeys,
)
from tests.unit.talkdesk_samples import HOSTS, ROOT, MovableClock, wire
from tests.waiting import eventually

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()
OTHER = ec.generate_private_key(ec.SECP256R1()).public_key()


def der(key: PublicKeyTypes) -> str:
    """Base64 of DER."""
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def pem(key: PublicKeyTypes) -> str:
    """PEM."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


class Gateway:
    """A gateway that gives one answer, and counts."""

    def __init__(self) -> None:
        self.status = 200
        self.body = json.dumps({"id": "k", "key": der(KEY)}).encode()
        self.paths: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.clock = MovableClock()
        self.keys = EventKeys(wire(self._answer), self.clock)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.paths.append(request.url.path)
        await self.gate.wait()
        return httpx.Response(self.status, content=self.body)


@pytest.fixture
def gateway() -> Gateway:
    """It knows the key."""
    return Gateway()


FORMS: dict[str, Any] = {
    **{name: {"id": "x", name: der(KEY)} for name in ("key", "public_key", "value", "signature_key", "publicKey")},
    "base64 of PEM": {"key": base64.b64encode(pem(KEY).encode()).decode()},
    "PEM": {"key": pem(KEY)},
    "in lines": {"key": "\n".join(der(KEY)[at : at + 64] for at in range(0, 200, 64))},
    "nested": {"data": {"key": der(KEY)}},
    "the same twice": {"key": der(KEY), "pem": pem(KEY)},
    "a string": der(KEY),
}


@pytest.mark.parametrize("form", FORMS)
async def test_every_plausible_form_of_the_answer_is_read(gateway: Gateway, form: str) -> None:
    """Field, encoding and place are not documented."""
    gateway.body = json.dumps(FORMS[form]).encode()
    assert await gateway.keys.fetch(ROOT, "k") == KEY
    assert gateway.paths == ["/events/signature-keys/k"]


@pytest.mark.parametrize("text", [pem(KEY), der(KEY)], ids=["PEM", "base64"])
async def test_an_answer_without_json_is_read(gateway: Gateway, text: str) -> None:
    """The key alone."""
    gateway.body = text.encode()
    assert await gateway.keys.fetch(ROOT, "k") == KEY


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1()], ids=["P-384", "P-521"])
async def test_the_larger_curves_are_taken(gateway: Gateway, curve: ec.EllipticCurve) -> None:
    """The curve is not documented."""
    key = ec.generate_private_key(curve).public_key()
    gateway.body = json.dumps({"key": der(key)}).encode()
    assert await gateway.keys.fetch(ROOT, "k") == key


NO_KEYS: dict[str, Any] = {
    "nothing": {},
    "no key": {"key": "hello"},
    "cut off": {"key": der(KEY)[:-8]},
    "two keys": {"key": der(KEY), "next": der(OTHER)},
    "another curve": {"key": der(ec.generate_private_key(ec.SECP256K1()).public_key())},
    "RSA": {"key": der(rsa.generate_private_key(65537, 2048).public_key())},
    "Ed25519": {"key": der(ed25519.Ed25519PrivateKey.generate().public_key())},
    "too deep": {"a": {"b": {"c": {"key": der(KEY)}}}},
    "not ASCII": {"key": "é" + der(KEY)},
    "a list": [der(KEY)],
}


@pytest.mark.parametrize("form", NO_KEYS)
async def test_an_answer_without_exactly_one_key_is_an_error(gateway: Gateway, form: str) -> None:
    """Talkdesk comes again; nothing is guessed and nothing remembered."""
    gateway.body = json.dumps(NO_KEYS[form]).encode()
    for _ in range(2):
        with pytest.raises(TalkdeskError):
            await gateway.keys.fetch(ROOT, "k")
    assert len(gateway.paths) == 2


@given(st.binary(max_size=300) | st.just(b"[" * 100_000))
def test_no_answer_raises_anything_else(body: bytes) -> None:
    """Any bytes are a key or a TalkdeskError."""

    async def fetch() -> None:
        gateway = Gateway()
        gateway.body = body
        with pytest.raises(TalkdeskError):
            await gateway.keys.fetch(ROOT, "k")

    asyncio.run(fetch())


@pytest.mark.parametrize("key_id", ["", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\n", "é", "x" * 129])
async def test_an_id_that_is_none_is_never_asked_for(gateway: Gateway, key_id: str) -> None:
    """It would choose another path at the gateway."""
    assert await gateway.keys.fetch(ROOT, key_id) is None
    assert gateway.paths == []


async def test_a_gateway_that_is_not_listed_is_never_asked(gateway: Gateway) -> None:
    """Its key would vouch for anything."""
    with pytest.raises(LinkRefused):
        await gateway.keys.fetch("https://acme.talkdeskid.com", "k")
    assert gateway.paths == []


async def test_a_key_is_remembered_and_asked_for_anew_later(gateway: Gateway) -> None:
    """One fetch an hour, so that a withdrawn key is not believed for long."""
    await gateway.keys.fetch(ROOT, "k")
    gateway.clock.go_on(FRESH - timedelta(seconds=1))
    await gateway.keys.fetch(f"{ROOT}/", "k")
    assert len(gateway.paths) == 1
    gateway.clock.go_on(timedelta(seconds=1))
    gateway.status = 404
    assert await gateway.keys.fetch(ROOT, "k") is None
    assert len(gateway.paths) == 2


async def test_a_withdrawn_key_is_forgotten_at_once(gateway: Gateway) -> None:
    """After Talkdesk said 404, an error does not bring it back."""
    await gateway.keys.fetch(ROOT, "k")
    gateway.clock.go_on(FRESH)
    gateway.status = 404
    await gateway.keys.fetch(ROOT, "k")
    gateway.clock.go_on(UNKNOWN)
    gateway.status = 500
    with pytest.raises(TalkdeskError):
        await gateway.keys.fetch(ROOT, "k")


async def test_the_last_good_key_serves_while_talkdesk_cannot_be_asked(gateway: Gateway) -> None:
    """For a day: an event that is refused three times never comes again."""
    await gateway.keys.fetch(ROOT, "k")
    gateway.status = 503
    gateway.clock.go_on(LAST_RESORT - timedelta(seconds=1))
    assert await gateway.keys.fetch(ROOT, "k") == KEY
    gateway.clock.go_on(timedelta(seconds=1))
    with pytest.raises(TalkdeskError):
        await gateway.keys.fetch(ROOT, "k")


async def test_an_unknown_id_is_remembered_for_a_moment(gateway: Gateway) -> None:
    """A flood with one id is one fetch; a key that is published meanwhile is found soon."""
    gateway.status = 404
    for _ in range(3):
        assert await gateway.keys.fetch(ROOT, "k") is None
    assert len(gateway.paths) == 1
    gateway.status = 200
    gateway.clock.go_on(UNKNOWN)
    assert await gateway.keys.fetch(ROOT, "k") == KEY


async def test_invented_ids_push_no_key_out(gateway: Gateway) -> None:
    """However many there are, the key stays."""
    await gateway.keys.fetch(ROOT, "k")
    gateway.status = 404
    for number in range(MAX_UNKNOWN + MAX_KEYS):
        gateway.clock.go_on(REFILL)
        await gateway.keys.fetch(ROOT, f"invented-{number}")
    asked = len(gateway.paths)
    assert await gateway.keys.fetch(ROOT, "k") == KEY
    assert len(gateway.paths) == asked


async def test_ten_thousand_invented_ids_cost_talkdesk_a_handful_of_calls(gateway: Gateway) -> None:
    """What is over the budget is an error at once; a key that is known is served all the while, also when it has to be asked for anew."""
    await gateway.keys.fetch(ROOT, "k")
    gateway.clock.go_on(FRESH)
    known, gateway.status = len(gateway.paths), 404
    refused = 0
    for number in range(10_000):
        try:
            assert await gateway.keys.fetch(ROOT, f"invented-{number}") is None
        except TalkdeskError:
            refused += 1
    assert len(gateway.paths) - known == BURST
    assert refused == 10_000 - BURST
    gateway.status = 200
    assert await gateway.keys.fetch(ROOT, "k") == KEY
    assert len(gateway.paths) == known + BURST + 1, "it was asked for anew, over the budget of invented ones"


async def test_a_new_key_is_found_again_soon_after_a_flood(gateway: Gateway) -> None:
    """The budget fills up with time; refused meanwhile, the event comes again after five minutes."""
    gateway.status = 404
    for number in range(BURST):
        await gateway.keys.fetch(ROOT, f"invented-{number}")
    gateway.status = 200
    with pytest.raises(TalkdeskError, match="too many"):
        await gateway.keys.fetch(ROOT, "new")
    gateway.clock.go_on(REFILL)
    assert await gateway.keys.fetch(ROOT, "new") == KEY


async def test_events_that_come_together_fetch_a_key_once(gateway: Gateway) -> None:
    """Twenty at once: one call, the same answer for all."""
    assert await asyncio.gather(*(gateway.keys.fetch(ROOT, "k") for _ in range(20))) == [KEY] * 20
    assert len(gateway.paths) == 1


async def test_a_sender_who_goes_away_does_not_end_the_fetch_for_others(gateway: Gateway) -> None:
    """The first of two is cancelled, the second gets the key of the same call."""
    gateway.gate.clear()
    first = asyncio.create_task(gateway.keys.fetch(ROOT, "k"))
    second = asyncio.create_task(gateway.keys.fetch(ROOT, "k"))
    await eventually(lambda: bool(gateway.paths), what="the fetch is under way")
    first.cancel()
    gateway.gate.set()
    assert await second == KEY
    assert len(gateway.paths) == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_only_so_many_fetches_run_at_once(gateway: Gateway) -> None:
    """More ids than that are an error at once; who wants what is under way joins it, and a key that is known is served all the while."""
    await gateway.keys.fetch(ROOT, "k")
    gateway.gate.clear()
    running = [asyncio.create_task(gateway.keys.fetch(ROOT, f"k{number}")) for number in range(MAX_FETCHES)]
    await eventually(lambda: len(gateway.paths) == 1 + MAX_FETCHES, what="the fetches are under way")
    with pytest.raises(TalkdeskError, match="under way"):
        await gateway.keys.fetch(ROOT, "one-more")
    gateway.clock.go_on(FRESH)
    assert await gateway.keys.fetch(ROOT, "k") == KEY
    joining = asyncio.create_task(gateway.keys.fetch(ROOT, "k0"))
    await asyncio.sleep(0)
    gateway.gate.set()
    assert await asyncio.gather(*running, joining) == [KEY] * (MAX_FETCHES + 1)
    assert await gateway.keys.fetch(ROOT, "one-more") == KEY


@pytest.mark.parametrize("status", [301, 400, 401, 403, 429, 500, 502])
async def test_any_other_answer_is_an_error_and_not_remembered(gateway: Gateway, status: int) -> None:
    """Only 404 and 410 say that there is no such key."""
    gateway.status = status
    for _ in range(2):
        with pytest.raises(TalkdeskError) as raised:
            await gateway.keys.fetch(ROOT, "k")
        assert raised.value.status == status
    assert len(gateway.paths) == 2


def test_the_samples_are_listed() -> None:
    """The gateway of these tests is one that the allow-list knows."""
    assert HOSTS.check_gateway(ROOT) == ROOT
