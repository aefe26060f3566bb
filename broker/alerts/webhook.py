"""The operator's webhook (`ALERT_URL`): JSON whose `text` chat tools show.

Owns: one POST, and what its answer means. The address often is the secret, so it is in no log and no error.
"""

import httpx

from broker.errors import OutsideError
from broker.outbound import fetch
from broker.ports import Json

_COMES_AGAIN = frozenset({408, 425, 429})


class AlertNotTaken(OutsideError):
    """The webhook could not be reached or refused."""

    reason = "alert"


class HttpWebhook:
    """Port `Webhook`."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        """Posts there."""
        self._url = url
        self._client = client

    async def post(self, content: Json) -> None:
        """As the port says."""
        request = self._client.build_request("POST", self._url, json=content)
        try:
            answer = await fetch(self._client, request)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AlertNotTaken(f"the webhook could not be reached: {type(error).__name__}") from None
        if not 200 <= answer.status < 300:
            is_final = 400 <= answer.status < 500 and answer.status not in _COMES_AGAIN
            detail = f"the webhook answered {answer.status}"
            raise AlertNotTaken(detail, status=answer.status, is_final=is_final)
