"""Who would match whom, before anybody clicks (mode existing): an account's licensed users, each asked for as a sign-on would.

Owns: going through Talkdesk's list, and what only the whole list shows: two Talkdesk users who would be one Keycloak user, of whom the second
would be refused. Leaves to others: the matching itself, which is the sign-on's own (`match`). Nothing is written, linked or chosen.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace

from broker.errors import KeycloakError, SignOnFailed
from broker.model.failure import Reason
from broker.model.installation import Installation
from broker.model.names import AppId, TalkdeskUserId
from broker.ports import Apps, Json
from broker.provider import person
from broker.provider.match import MatchUser

AT_ONCE = 5
"""Questions to Keycloak side by side."""


@dataclass(frozen=True)
class Forecast:
    """What would become of one licensed user's first click."""

    app: AppId
    user: TalkdeskUserId | None
    """None where Talkdesk does not say who it is."""
    name: str | None
    email: str | None
    matches: str | None
    """Username in the realm."""
    reason: Reason | None
    """Why not."""


@dataclass(frozen=True)
class Preflight:
    """Asks for everybody who is licensed for an installation."""

    apps: Apps
    match_user: MatchUser
    user_id_source: str | None
    """Which field names the account's users, where a sign-on has chosen it already."""

    async def __call__(self, installation: Installation) -> AsyncIterator[Sequence[Forecast]]:
        """Page by page. Raises TalkdeskError, KeycloakError."""
        places = asyncio.Semaphore(AT_ONCE)

        async def forecast(described: Json) -> Forecast:
            async with places:
                return await self._forecast(installation, described)

        async for page in self.apps.users(installation):
            yield await asyncio.gather(*map(forecast, page))

    async def _forecast(self, installation: Installation, described: Json) -> Forecast:
        try:
            who = person.read(installation.account, described, self.user_id_source)
        except person.UnknownPerson:
            return Forecast(installation.app, None, None, None, None, Reason.PERSON_UNKNOWN)
        found = Forecast(installation.app, who.user, who.name, who.email, None, None)
        try:
            user = await self.match_user(installation, who)
        except SignOnFailed as failed:
            if failed.reason is Reason.KEYCLOAK_FAILED:  # nothing that would be so at the click
                raise KeycloakError(str(failed), status=failed.upstream_status) from None
            return replace(found, reason=failed.reason)
        return replace(found, matches=user.username)


def with_rivals(forecasts: Sequence[Forecast]) -> Sequence[Forecast]:
    """Of several Talkdesk users who match one Keycloak user, the first to click would get it, so none of them is counted as matching."""
    rivals = Counter(username for username, _ in {(each.matches, each.user) for each in forecasts if each.matches})
    return [
        replace(each, reason=Reason.USER_LINKED_ELSEWHERE) if each.matches and rivals[each.matches] > 1 else each
        for each in forecasts
    ]
