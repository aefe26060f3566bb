"""Ports of Talkdesk: its event keys, its authorization server, its Apps API."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from broker.model.credentials import Credentials
from broker.model.installation import Installation
from broker.ports.basics import Json


class EventKeySource(Protocol):
    """Talkdesk's public event keys."""

    async def fetch(self, root: str, key_id: str) -> EllipticCurvePublicKey | None:
        """The key of this id at a listed gateway; None where Talkdesk does not know it. Raises LinkRefused, TalkdeskError."""
        ...


@dataclass(frozen=True)
class TokenAnswer:
    """Talkdesk's answer to an authorization code."""

    access_token: str
    id_token: str | None
    answered_at: datetime
    """`Date` of the answer: Talkdesk's clock, whole seconds."""

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"TokenAnswer(answered_at={self.answered_at!r})"


class TalkdeskOAuth(Protocol):
    """The authorization server upstream, per installation."""

    def authorization_url(self, installation: Installation, *, state: str, nonce: str, code_challenge: str) -> str:
        """Where the browser goes to prove who it is. Raises TalkdeskError without credentials, or where the host is no longer listed."""
        ...

    async def exchange(self, installation: Installation, *, code: str, code_verifier: str) -> TokenAnswer:
        """Redeem a code with the credentials in use; never sent twice. Raises TalkdeskError."""
        ...

    async def userinfo(self, installation: Installation, access_token: str) -> Json:
        """Claims of the person. Raises TalkdeskError."""
        ...


class Apps(Protocol):
    """Talkdesk's Apps API. All raise TalkdeskError."""

    async def approve(self, installation: Installation) -> None:
        """Say that the installation is set up; also how an uninstall is acknowledged. Raises TalkdeskError."""
        ...

    async def reject(self, installation: Installation, reason: str) -> None:
        """Say that it will not be; the customer's administrator may read the reason. Raises TalkdeskError."""
        ...

    async def prove(self, installation: Installation, credentials: Credentials) -> None:
        """Ask for a token with these, and let nothing that is remembered answer for them. Raises TalkdeskError."""
        ...

    async def acknowledge(self, installation: Installation, credentials: Credentials) -> None:
        """Say that these are in use; Talkdesk ends all other sets then. Raises TalkdeskError."""
        ...

    def users(self, installation: Installation) -> AsyncIterator[Sequence[Json]]:
        """Talkdesk users that are licensed for the installation, as Talkdesk describes them, in pages that are not empty."""
        ...
