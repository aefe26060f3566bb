"""References: what a person reads to support over the phone."""

import secrets

ALPHABET = "2346789FKMQRWXY"
"""Told apart by ear and by eye: without 0 O, 1 I L, the letters that rhyme with B, 5 beside 9, A H J beside 8, N beside M, S beside F, U beside Q."""


def new_reference() -> str:
    """Ten characters of 15, in two groups: 39 bits, not guessable at the rate at which anybody can ask."""
    text = "".join(secrets.choice(ALPHABET) for _ in range(10))
    return f"{text[:5]}-{text[5:]}"


def as_written(spoken: str) -> str:
    """A reference as it was made, from how somebody typed what they heard: in small letters, with spaces, without the dash."""
    text = "".join(char for char in spoken.upper() if char.isalnum())
    middle = len(text) // 2
    return f"{text[:middle]}-{text[middle:]}"
