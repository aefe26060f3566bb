"""Client authentication at the token endpoint: private_key_jwt ("Signed JWT"; RFC 7523 section 3).

Checks in this order: form, client, header, signature, claims, first use. HTTP Basic is for apps that are not listed.
"""

import base64
import binascii
import json
import math
import secrets
from typing import Any
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from demo.talkdesk.model import Account, Credentials, CredentialSet, Installation
from demo.talkdesk.refusal import Refusal
from demo.talkdesk.state import State

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_LIFE_SECONDS = 300


def authenticate(
    state: State, account: Account, form: dict[str, str], basic: str | None
) -> tuple[Installation, CredentialSet]:
    """Who is calling, or `Refusal` 401."""
    if "client_assertion" in form:
        if basic is not None:
            raise Refusal(400, "invalid_request", "two ways of client authentication at once")
        return _by_assertion(state, account, form)
    if basic is not None:
        return _by_secret(state, account, basic)
    raise _invalid("no client authentication")


def _by_assertion(state: State, account: Account, form: dict[str, str]) -> tuple[Installation, CredentialSet]:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise _invalid(f"client_assertion_type is not {ASSERTION_TYPE}")
    assertion = form["client_assertion"]
    header, unverified_claims = (_unverified_part(assertion, index) for index in (0, 1))
    client_id = unverified_claims.get("iss")
    if not isinstance(client_id, str):
        raise _invalid("iss is missing")
    if form.get("client_id", client_id) != client_id:
        raise _invalid("client_id is not the assertion's")
    found = state.find_client(account, client_id)
    if found is None:
        raise _invalid("no such client, or its credentials are dead")
    installation, credential_sets = found
    chosen = next((each for each in credential_sets if each.credentials.key_id == header.get("kid")), None)
    if chosen is None:
        raise _invalid("kid is not this client's key_id")
    claims = _verified_claims(assertion, header, chosen.credentials)
    _check_claims(state, claims, client_id, state.addresses.token(account))
    return installation, chosen


def _verified_claims(assertion: str, header: dict[str, Any], credentials: Credentials) -> dict[str, Any]:
    if header.get("alg") != credentials.key_algorithm:
        raise _invalid(f"alg is not this client's key_algorithm {credentials.key_algorithm}")
    private_key = credentials.private_key
    key = (
        RSAKey.import_key(private_key.public_key())
        if isinstance(private_key, RSAPrivateKey)
        else ECKey.import_key(private_key.public_key())
    )
    try:
        token = jwt.decode(assertion, key, algorithms=[credentials.key_algorithm])
    except (JoseError, ValueError) as error:
        raise _invalid("the signature is wrong") from error
    return token.claims


def _check_claims(state: State, claims: dict[str, Any], client_id: str, token_url: str) -> None:
    now = state.clock().timestamp()
    if claims.get("sub") != client_id:
        raise _invalid("sub is not the client_id")
    if claims.get("aud") != token_url:
        raise _invalid(f"aud is not exactly {token_url}")
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    if issued_at > now:
        raise _invalid("iat is in the future")
    if expires_at <= now:
        raise _invalid("the assertion has expired")
    if expires_at - min(issued_at, now) > LONGEST_LIFE_SECONDS:
        raise _invalid("exp is more than 5 minutes after iat")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not jti:
        raise _invalid("jti is missing")
    if (client_id, jti) in state.used_jtis:
        raise _invalid("jti was used before")
    state.used_jtis.add((client_id, jti))


def _by_secret(state: State, account: Account, basic: str) -> tuple[Installation, CredentialSet]:
    try:
        text = base64.b64decode(basic, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _invalid("the Basic credentials are unreadable") from error
    client_id, _, secret = (unquote(part) for part in text.partition(":"))
    found = state.find_client(account, client_id)
    if found is None:
        raise _invalid("no such client, or its credentials are dead")
    installation, credential_sets = found
    if installation.app.is_listed:
        raise _invalid("a listed app must use private_key_jwt")
    for each in credential_sets:
        if secrets.compare_digest(each.credentials.client_secret.encode(), secret.encode()):
            return installation, each
    raise _invalid("the secret is wrong")


def _unverified_part(assertion: str, index: int) -> dict[str, Any]:
    parts = assertion.split(".")
    if len(parts) != 3:
        raise _invalid("the assertion is no JWS in compact form")
    try:
        part = json.loads(base64.urlsafe_b64decode(parts[index] + "=" * (-len(parts[index]) % 4)))
    except ValueError as error:
        raise _invalid("the assertion is unreadable") from error
    if not isinstance(part, dict):
        raise _invalid("the assertion is unreadable")
    return part


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _invalid(f"{name} is no time")
    return value


def _invalid(description: str) -> Refusal:
    return Refusal(401, "invalid_client", description)
