"""References: what a person reads to support over the phone."""

import secrets

_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without what sounds or looks like something else (0 O, 1 I L, U beside V)."""


def new_reference() -> str:
    """Eight characters of 30, in two groups: not guessable at the rate at which anybody can ask."""
    text = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return f"{text[:4]}-{text[4:]}"
