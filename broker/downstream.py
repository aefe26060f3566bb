"""Downstream apps, as far as we call them: their back-channel logout URLs (port `AppLogoutUrl`).

Owns: the request. Leaves to others: what the status means. One client an app, so that one that hangs takes no connection from another.
"""

from datetime import timedelta

import httpx

from broker.errors import AppError
from broker.outbound import fetch


class HttpAppLogoutUrl:
    """The real one. Posts the token as Keycloak does, follows no redirect."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        """`client` is closed by whoever made it."""
        self._url = url
        self._client = client

    async def post(self, logout_token: str, within: timedelta) -> int:
        """As the port says."""
        within_s = within.total_seconds()
        request = self._client.build_request("POST", self._url, data={"logout_token": logout_token}, timeout=within_s)
        try:
            return (await fetch(self._client, request, within_s=within_s)).status
        except httpx.HTTPError as error:
            raise AppError(type(error).__name__) from None
