"""Talkdesk's ID token: of this sign-on, or refused."""

import base64
import json
from typing import Any

import pytest

from broker.provider.talkdesk_token import WrongToken, check_talkdesk_token

GOOD: dict[str, Any] = {"nonce": "n1", "aud": "client-1", "sub": "s1", "iss": "https://acme.talkdeskid.com"}


def token(claims: object) -> str:
    """Signed by nobody, as far as anybody can tell."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.AA"


def check(id_token: str, subject: object = "s1") -> None:
    """Against what was sent."""
    check_talkdesk_token(id_token, nonce="n1", client_id="client-1", subject=subject)


@pytest.mark.parametrize("changed", [{}, {"aud": ["x", "client-1"]}, {"iss": None}])
@pytest.mark.parametrize("subject", ["s1", None])
def test_the_token_of_this_sign_on_is_taken(changed: dict[str, Any], subject: str | None) -> None:
    """Whether userinfo says `sub` or not."""
    check(token({**GOOD, **changed}), subject)


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": "n2"},
        {"nonce": None},
        {"aud": "x"},
        {"aud": []},
        {"aud": None},
        {"aud": {}},
        {"sub": "s2"},
        {"sub": None},
    ],
)
def test_the_token_of_another_one_is_not(changed: dict[str, Any]) -> None:
    """Says which claim."""
    with pytest.raises(WrongToken, match=next(iter(changed))):
        check(token({**GOOD, **changed}))


@pytest.mark.parametrize(
    "text", ["", "x", "a.b", "a.b.c", "a.b.c.d", f"e30.{'[' * 4}.AA", token([]), token("x"), "e30.é.AA", "e30.gA.AA"]
)
def test_what_is_no_token_is_refused(text: str) -> None:
    """In one kind of error, whatever it is."""
    with pytest.raises(WrongToken, match="can't be read"):
        check(text)
