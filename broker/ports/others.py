"""Ports of everybody else that the broker calls: downstream apps and the operator's webhook."""

from datetime import timedelta
from typing import Protocol

from broker.ports.basics import Json


class AppLogoutUrl(Protocol):
    """An app's back-channel logout URL (OpenID Connect Back-Channel Logout 1.0, 2.5)."""

    async def post(self, logout_token: str, within: timedelta) -> int:
        """HTTP status of the app's answer. Raises AppError where none came."""
        ...


class Webhook(Protocol):
    """Takes a word for people."""

    async def post(self, content: Json) -> None:
        """Hand it over. Raises OutsideError."""
        ...
