"""Authorization endpoint of an issuer (OpenID Connect Core 3.1.2): ordered checks, client and redirect URI first.

Every error ends on our own page. Sent back to Keycloak it would become Keycloak's password form, where nobody can help the agent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broker.door import Door
from broker.errors import SignOnFailed
from broker.model.authorization import AuthorizationRequest, Proven
from broker.model.browser import PROOF, PROOF_COOKIE, proof_key
from broker.model.failure import Reason, Stage
from broker.model.identity_provider import ProviderState
from broker.model.installation import Installation
from broker.model.names import Alias, Slug, client_id_of
from broker.model.outcome import Outcome
from broker.model.pkce import is_challenge
from broker.ports import Clock, OneTimeKind, OneTimeValues, ProviderRecords
from broker.provider.answer import AnswerKeycloak
from broker.to_talkdesk import ToTalkdesk

_LONGEST = 4000
"""Longest parameter that is taken, in characters; Keycloak's state is long, but not that long."""


@dataclass(frozen=True)
class Authorize:
    """Takes Keycloak's request, and sends the browser on to Talkdesk to prove who it is."""

    door: Door
    providers: ProviderRecords
    one_time: OneTimeValues
    to_talkdesk: ToTalkdesk
    answer: AnswerKeycloak
    realm_url: str
    """The realm as browsers see it."""
    now: Clock

    async def __call__(self, slug: Slug, parameters: Sequence[tuple[str, str]], cookies: Mapping[str, str]) -> Outcome:
        """Where the browser goes next. Raises SignOnFailed."""
        installation = await self.door.enter_issuer(slug)
        request = await self._checked(installation, parameters)
        proven = await self._proof_of(installation, dict(parameters).get(PROOF), cookies)
        if proven:
            await self.door.enter_person(installation, proven.person, Stage.AUTHORIZE)
            return await self.answer(installation, request, proven, clear_cookie=PROOF_COOKIE)
        return await self.to_talkdesk(installation, request, Stage.AUTHORIZE)

    async def _checked(self, installation: Installation, parameters: Sequence[tuple[str, str]]) -> AuthorizationRequest:
        given = dict(parameters)

        def require(holds: bool, reason: Reason) -> None:
            if not holds:
                raise SignOnFailed(Stage.AUTHORIZE, reason, installation=installation.id)

        require(len(given) == len(parameters), Reason.PARAMETER_TWICE)
        require(all(len(value) <= _LONGEST for value in given.values()), Reason.PARAMETER_TOO_LONG)
        require(given.get("client_id") == client_id_of(installation.slug), Reason.CLIENT_UNKNOWN)
        alias = await self._alias(installation)
        redirect_uri = f"{self.realm_url}/broker/{alias}/endpoint"
        require(alias is not None and given.get("redirect_uri") == redirect_uri, Reason.REDIRECT_URI_UNKNOWN)
        require("request" not in given and "request_uri" not in given, Reason.REQUEST_OBJECT_NOT_SUPPORTED)
        require(given.get("response_type") == "code", Reason.RESPONSE_TYPE_NOT_SUPPORTED)
        require(given.get("response_mode", "query") == "query", Reason.RESPONSE_MODE_NOT_SUPPORTED)
        require("openid" in given.get("scope", "").split(), Reason.SCOPE_WITHOUT_OPENID)
        require("none" not in given.get("prompt", "").split(), Reason.PROMPT_NONE_NOT_SUPPORTED)
        require(bool(given.get("state")), Reason.STATE_MISSING)
        require(given.get("code_challenge_method") == "S256", Reason.PKCE_MISSING)
        require(is_challenge(given.get("code_challenge", "")), Reason.PKCE_MISSING)
        return AuthorizationRequest(
            client_id=given["client_id"],
            redirect_uri=redirect_uri,
            alias=alias or Alias(""),
            state=given["state"],
            nonce=given.get("nonce"),
            code_challenge=given["code_challenge"],
        )

    async def _alias(self, installation: Installation) -> Alias | None:
        record = await self.providers.find_latest(installation.id)
        return record.alias if record and record.state is not ProviderState.WITHDRAWN else None

    async def _proof_of(
        self, installation: Installation, proof: str | None, cookies: Mapping[str, str]
    ) -> Proven | None:
        """Who was just proven at this browser for the launch that this request belongs to."""
        cookie = cookies.get(PROOF_COOKIE)
        if not cookie or not proof:
            return None
        content = await self.one_time.consume(OneTimeKind.PROOF, proof_key(installation.id, proof, cookie), self.now())
        return Proven.from_json(content) if content else None
