"""Talkdesk's Apps API: the answers that an app owes ("Answers that the app owes" in docs/talkdesk.md).

Owns: access tokens for it, one an installation (RFC 6749, 4.4, by client assertion), and the state calls.
Leaves to others: what is owed, and when to try again.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from broker.errors import TalkdeskError
from broker.model.credentials import Credentials
from broker.model.installation import Installation
from broker.ports import Clock, Json
from broker.talkdesk.cache import AgedValues, SingleFlight
from broker.talkdesk.client_assertion import ASSERTION_TYPE, assertion_claims, sign_assertion
from broker.talkdesk.wire import Wire, access_of, json_object, path_part, text_field

SCOPE = "apps:write"
MARGIN = timedelta(seconds=60)
"""A token is not used in its last minute: it has to live until it arrives."""
MAX_TOKENS = 1000

_WHAT = "token for the Apps API"

# Not the installation alone: installed again, it has other credentials, and the old token died with the old ones.
_Client = tuple[str, str, str]


@dataclass(frozen=True)
class _Token:
    text: str = field(repr=False)
    usable_until: datetime


class AppsApi:
    """Apps over HTTP."""

    def __init__(self, wire: Wire, clock: Clock, random_value: Callable[[], str]) -> None:
        """`random_value` makes the `jti` of client assertions."""
        self._wire = wire
        self._clock = clock
        self._random_value = random_value
        self._tokens: AgedValues[_Client, _Token] = AgedValues(MAX_TOKENS)
        self._flights: SingleFlight[_Client, _Token] = SingleFlight()

    async def approve(self, installation: Installation) -> None:
        """As the port says."""
        await self._say(installation, {"state": "approve"})

    async def reject(self, installation: Installation, reason: str) -> None:
        """As the port says."""
        await self._say(installation, {"state": "reject", "reason": reason})

    async def prove(self, installation: Installation, credentials: Credentials) -> None:
        """As the port says."""
        await self._fetch_token(replace(installation, credentials=credentials))

    async def acknowledge(self, installation: Installation, credentials: Credentials) -> None:
        """As the port says; with a token of the very credentials, since all others may be dead."""
        speaking = replace(installation, credentials=credentials)
        path = f"credentials/{path_part(credentials.client_id)}/state"
        await self._post("credentials state", speaking, path, {"state": "acknowledged"})

    async def _say(self, installation: Installation, content: Json) -> None:
        await self._post("installation state", installation, "state", content)

    async def _post(self, what: str, installation: Installation, path: str, content: Json) -> None:
        links, _ = access_of(installation)
        app, installation_id = path_part(installation.app), path_part(installation.id)
        url = f"{links.root}/apps/{app}/installations/{installation_id}/{path}"
        token = await self._token(installation)
        try:
            await self._wire.call(what, "POST", url, content=content, bearer=token.text)
        except TalkdeskError as error:
            if error.status != 401:
                raise
            # The token may have died before its time: once more, with a new one.
            self._forget(installation, token)
            token = await self._token(installation)
            await self._wire.call(what, "POST", url, content=content, bearer=token.text)

    async def _token(self, installation: Installation) -> _Token:
        client = _client_of(installation)
        now = self._clock()
        token = self._tokens.find(client, now)
        if token is not None and now < token.usable_until:
            return token
        return await self._flights.run(client, lambda: self._fetch_token(installation))

    async def _fetch_token(self, installation: Installation) -> _Token:
        links, credentials = access_of(installation)
        now = self._clock()
        claims = assertion_claims(credentials.client_id, audience=links.token, jti=self._random_value(), now=now)
        form = {
            "grant_type": "client_credentials",
            "scope": SCOPE,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": sign_assertion(credentials, claims),
        }
        content = json_object(_WHAT, await self._wire.call(_WHAT, "POST", links.token, form=form))
        token = _Token(text_field(_WHAT, content, "access_token"), now + _life_of(content) - MARGIN)
        self._tokens.keep(_client_of(installation), token, now)
        return token

    def _forget(self, installation: Installation, token: _Token) -> None:
        client = _client_of(installation)
        if self._tokens.find(client, self._clock()) is token:  # else somebody has a new one already
            self._tokens.forget(client)


def _client_of(installation: Installation) -> _Client:
    _, credentials = access_of(installation)
    return installation.id, credentials.client_id, credentials.key_id


def _life_of(content: Json) -> timedelta:
    """`expires_in`, which is only recommended (RFC 6749, 5.1); a token that does not say it is used once."""
    seconds = content.get("expires_in")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 86400:
        return timedelta()
    return timedelta(seconds=seconds)
