"""Talkdesk's Apps API: the answers that an app owes, and the licensed users ("Answers that the app owes" in docs/talkdesk.md).

Owns: access tokens for it, one an installation and scope (RFC 6749, 4.4, by client assertion), and the calls.
Leaves to others: what is owed, and when to try again.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from broker.errors import TalkdeskError
from broker.model.credentials import Credentials
from broker.model.installation import Installation
from broker.outbound import Answer
from broker.ports import Clock, Json
from broker.talkdesk.cache import AgedValues, SingleFlight
from broker.talkdesk.client_assertion import ASSERTION_TYPE, assertion_claims, sign_assertion
from broker.talkdesk.wire import Wire, access_of, json_object, path_part, text_field

ANSWER, ASK = "apps:write", "apps:read"
"""Scopes: a token can do one of the two."""
MARGIN = timedelta(seconds=60)
"""A token is not used in its last minute: it has to live until it arrives."""
MAX_TOKENS = 1000

_WHAT, _USERS = "token for the Apps API", "licensed users"
_MOST_PAGES = 10_000

# Not the installation alone: installed again, it has other credentials, and the old token died with the old ones.
_Client = tuple[str, str, str, str]


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
        await self._fetch_token(replace(installation, credentials=credentials), ANSWER)

    async def acknowledge(self, installation: Installation, credentials: Credentials) -> None:
        """As the port says; with a token of the very credentials, since all others may be dead."""
        speaking = replace(installation, credentials=credentials)
        path = f"credentials/{path_part(credentials.client_id)}/state"
        await self._post("credentials state", speaking, path, {"state": "acknowledged"})

    async def users(self, installation: Installation) -> AsyncIterator[Sequence[Json]]:
        """As the port says. Pages are counted, not followed by their links; the last one has no link to a next one."""
        for number in range(1, _MOST_PAGES + 1):
            answer = await self._call(_USERS, installation, f"users?page={number}", ASK)
            content = json_object(_USERS, answer)
            users = _embedded_users(content)
            if users:
                yield users
            if not users or "next" not in (content.get("_links") or {}):
                return
        raise TalkdeskError(f"{_USERS}: there is no end to them", is_final=True)

    async def _say(self, installation: Installation, content: Json) -> None:
        await self._post("installation state", installation, "state", content)

    async def _post(self, what: str, installation: Installation, path: str, content: Json) -> None:
        await self._call(what, installation, path, ANSWER, content)

    async def _call(
        self, what: str, installation: Installation, path: str, scope: str, content: Json | None = None
    ) -> Answer:
        links, _ = access_of(installation)
        app, installation_id = path_part(installation.app), path_part(installation.id)
        url = f"{links.root}/apps/{app}/installations/{installation_id}/{path}"
        method = "GET" if content is None else "POST"
        token = await self._token(installation, scope)
        try:
            return await self._wire.call(what, method, url, content=content, bearer=token.text)
        except TalkdeskError as error:
            if error.status != 401:
                raise
            # The token may have died before its time: once more, with a new one.
            self._forget(installation, scope, token)
            token = await self._token(installation, scope)
            return await self._wire.call(what, method, url, content=content, bearer=token.text)

    async def _token(self, installation: Installation, scope: str) -> _Token:
        client = _client_of(installation, scope)
        now = self._clock()
        token = self._tokens.find(client, now)
        if token is not None and now < token.usable_until:
            return token
        return await self._flights.run(client, lambda: self._fetch_token(installation, scope))

    async def _fetch_token(self, installation: Installation, scope: str) -> _Token:
        links, credentials = access_of(installation)
        now = self._clock()
        claims = assertion_claims(credentials.client_id, audience=links.token, jti=self._random_value(), now=now)
        form = {
            "grant_type": "client_credentials",
            "scope": scope,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": sign_assertion(credentials, claims),
        }
        content = json_object(_WHAT, await self._wire.call(_WHAT, "POST", links.token, form=form))
        token = _Token(text_field(_WHAT, content, "access_token"), now + _life_of(content) - MARGIN)
        self._tokens.keep(_client_of(installation, scope), token, now)
        return token

    def _forget(self, installation: Installation, scope: str, token: _Token) -> None:
        client = _client_of(installation, scope)
        if self._tokens.find(client, self._clock()) is token:  # else somebody has a new one already
            self._tokens.forget(client)


def _client_of(installation: Installation, scope: str) -> _Client:
    _, credentials = access_of(installation)
    return installation.id, credentials.client_id, credentials.key_id, scope


def _life_of(content: Json) -> timedelta:
    """`expires_in`, which is only recommended (RFC 6749, 5.1); a token that does not say it is used once."""
    seconds = content.get("expires_in")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 86400:
        return timedelta()
    return timedelta(seconds=seconds)


def _embedded_users(content: Json) -> Sequence[Json]:
    embedded = content.get("_embedded")
    users = embedded.get("users") if isinstance(embedded, dict) else None
    if not isinstance(users, list) or not all(isinstance(each, dict) for each in users):
        raise TalkdeskError(f"{_USERS}: the answer is not a list of users")
    return users
