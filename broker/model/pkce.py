"""Random values and Proof Key for Code Exchange (RFC 7636), method S256, for both directions."""

import base64
import hashlib
import hmac
import re
import secrets

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def random_value() -> str:
    """256 random bits, safe in a URL: states, nonces, codes, verifiers."""
    return secrets.token_urlsafe(32)


def challenge_of(verifier: str) -> str:
    """`code_challenge` of a verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def is_challenge(value: str) -> bool:
    """Whether this can be the S256 challenge of something."""
    return _CHALLENGE.fullmatch(value) is not None


def verifies(verifier: str, challenge: str) -> bool:
    """Whether the verifier belongs to the challenge (RFC 7636, 4.6)."""
    return _VERIFIER.fullmatch(verifier) is not None and hmac.compare_digest(challenge_of(verifier), challenge)
