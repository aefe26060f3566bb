"""`GET /launch/return`: Keycloak says whose session this browser has (OpenID Connect Core 3.1.2.5–3.1.3.7, RFC 9207)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from broker.errors import KeycloakError, SignOnFailed
from broker.launch.decide import Next, after_keycloak
from broker.launch.door import Door
from broker.model.authorization import Launch, LaunchState, Proving
from broker.model.failure import Stage
from broker.model.outcome import Redirect
from broker.model.sign_on import SignOn, SignOnState
from broker.ports import Clock, Json, LaunchClient, OneTimeKind, OneTimeValues, RealmKeys, SignOns
from broker.to_talkdesk import ToTalkdesk

SKEW = timedelta(seconds=10)
_LONGEST = 4000


@dataclass(frozen=True)
class ReturnFromKeycloak:
    """Takes Keycloak's answer to a launch."""

    door: Door
    one_time: OneTimeValues
    sign_ons: SignOns
    keycloak: LaunchClient
    realm_keys: RealmKeys
    to_talkdesk: ToTalkdesk
    realm_issuer: str
    client_id: str
    now: Clock

    async def __call__(self, parameters: Sequence[tuple[str, str]], cookies: Mapping[str, str]) -> Redirect:
        """Where the browser goes next. Raises SignOnFailed."""
        given = dict(parameters)
        if len(given) != len(parameters) or any(len(value) > _LONGEST for value in given.values()):
            raise _failed("return_malformed", "The sign-on service sent an answer that can't be read.")
        kept = await self._consume(given.get("state", ""), cookies)
        launch = kept.launch
        installation = await self.door.enter(launch.installation, Stage.RETURN, launch.hint)
        session = await self._session(given, kept)
        if after_keycloak(launch, installation, session) is Next.PROVE:
            proving = Proving(launch, session.id)
            return await self.to_talkdesk(installation, proving, Stage.RETURN, clear_cookie=kept.binding.name)
        await self.sign_ons.advance(session.id, SignOnState.SEEN)
        return Redirect(self.door.app(installation).url, clear_cookie=kept.binding.name)

    async def _consume(self, state: str, cookies: Mapping[str, str]) -> LaunchState:
        content = await self.one_time.find(OneTimeKind.LAUNCH, state, self.now()) if state else None
        if content is None:
            raise _failed("state_unknown", "This sign-on took too long, or was already used.")
        kept = LaunchState.from_json(content)
        if not kept.binding.matches(cookies):
            raise _failed("other_browser", "This sign-on was begun in another browser.", kept.launch)
        if await self.one_time.consume(OneTimeKind.LAUNCH, state, self.now()) is None:
            raise _failed("state_unknown", "This sign-on took too long, or was already used.", kept.launch)
        return kept

    async def _session(self, given: Mapping[str, str], kept: LaunchState) -> SignOn:
        """The sign-on that Keycloak's session comes from."""
        if given.get("iss") != self.realm_issuer:
            raise _failed("issuer_wrong", "The sign-on service sent an answer that can't be read.", kept.launch)
        if not given.get("code"):
            raise _failed("keycloak_refused", "The sign-on service did not let you in.", kept.launch, status=403)
        claims = await self._id_token(given["code"], kept)
        sign_on_id = claims.get("talkdesk_sign_on")
        session = await self.sign_ons.find(sign_on_id) if isinstance(sign_on_id, str) else None
        if session is None:
            raise _failed("session_not_ours", "You are signed in here with another account.", kept.launch, status=409)
        return session

    async def _id_token(self, code: str, kept: LaunchState) -> Json:
        try:
            token = await self.keycloak.exchange(code, kept.code_verifier)
            claims = await self.realm_keys.verify(token, self.now())
        except KeycloakError as error:
            raise _failed(
                "keycloak_failed",
                "The sign-on service could not be reached.",
                kept.launch,
                status=502,
                detail=str(error),
                upstream_status=error.status,
            ) from None
        except ValueError as error:
            raise self._bad_token(kept, str(error)) from None
        for holds, name in (
            (claims.get("iss") == self.realm_issuer, "iss"),
            (claims.get("aud") in (self.client_id, [self.client_id]), "aud"),
            (claims.get("azp", self.client_id) == self.client_id, "azp"),
            (claims.get("nonce") == kept.nonce, "nonce"),
            (claims.get("typ", "ID") == "ID", "typ"),
            (self._is_future(claims.get("exp")), "exp"),
        ):
            if not holds:
                raise self._bad_token(kept, f"its {name} is wrong")
        return claims

    def _is_future(self, exp: object) -> bool:
        return isinstance(exp, int) and datetime.fromtimestamp(exp, UTC) > self.now() - SKEW

    @staticmethod
    def _bad_token(kept: LaunchState, detail: str) -> SignOnFailed:
        public = "The sign-on service sent an answer that can't be read."
        return _failed("id_token_wrong", public, kept.launch, status=502, detail=f"Keycloak's ID token: {detail}")


def _failed(
    reason: str,
    public: str,
    launch: Launch | None = None,
    *,
    status: int = 400,
    detail: str = "",
    upstream_status: int | None = None,
) -> SignOnFailed:
    return SignOnFailed(
        Stage.RETURN,
        reason,
        public,
        status=status,
        detail=detail,
        installation=launch.installation if launch else None,
        hint=launch.hint if launch else None,
        upstream_status=upstream_status,
    )
