"""Token endpoint of an issuer (OpenID Connect Core 3.1.3): a code becomes an ID token. Nothing here leaves the machine but the database."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from broker.door import Door
from broker.errors import OAuthError
from broker.issuer.id_token import Notes, id_token_claims
from broker.issuer.identifier import Issuers
from broker.issuer.keys import SigningKeys
from broker.model.authorization import AuthorizationRequest
from broker.model.installation import Installation
from broker.model.names import AccountId, Slug, client_id_of
from broker.model.pkce import random_value, verifies
from broker.model.realm_user import RealmUser, is_of_domain
from broker.model.sign_on import SignOn, SignOnState
from broker.model.task import Task, TaskKind
from broker.observation import UNOBSERVED, Observer
from broker.ports import Clock, Installations, Json, OneTimeKind, OneTimeValues, SignOns
from broker.provider.client_auth import ClientAuthentication

ACCESS_TOKEN_LIFETIME_S = 60


@dataclass(frozen=True)
class _Redeemed:
    """What a code stood for."""

    sign_on: SignOn
    realm_user: RealmUser | None
    request: AuthorizationRequest


@dataclass(frozen=True)
class Token:
    """Redeems codes."""

    door: Door
    installations: Installations
    one_time: OneTimeValues
    sign_ons: SignOns
    client_auth: ClientAuthentication
    keys: SigningKeys
    issuers: Issuers
    email_domains: dict[AccountId, tuple[str, ...]]
    """Domains for whose addresses an account's Talkdesk may vouch."""
    now: Clock
    ask_for: Callable[[Task], Awaitable[None]]
    """Asks for a task."""
    observer: Observer = UNOBSERVED

    async def __call__(self, slug: Slug, form: Sequence[tuple[str, str]]) -> Json:
        """The token answer. Raises OAuthError, KeycloakError."""
        given = dict(form)
        if len(given) != len(form):
            raise OAuthError("invalid_request", "a parameter came twice")
        installation = await self.installations.find_by_slug(slug)
        if installation is None:
            raise OAuthError("invalid_client", "there is no such issuer", status=401)
        client_id = client_id_of(slug)
        audiences = (self.issuers.token_endpoint(slug), self.issuers.identifier(slug))
        await self.client_auth.authenticate(given, client_id=client_id, audiences=audiences, now=self.now())
        if given.get("grant_type") != "authorization_code":
            raise OAuthError("unsupported_grant_type", "only authorization_code is supported")
        redeemed = await self._redeem(given, client_id)
        sign_on = redeemed.sign_on
        if self.door.why_closed(installation) or sign_on.installation != installation.id:
            raise OAuthError("invalid_grant", "the installation may not be used")
        if await self.installations.is_removed(installation, sign_on.person.user):
            raise OAuthError("invalid_grant", "the person's licence was removed")
        answer = await self._answer(installation, redeemed)
        self.observer.signed_on(installation.app)
        return answer

    async def _redeem(self, given: dict[str, str], client_id: str) -> _Redeemed:
        code = given.get("code")
        content = await self.one_time.consume(OneTimeKind.CODE, code, self.now()) if code else None
        if content is None:
            await self._end_what_it_gave(code, client_id)
            raise OAuthError("invalid_grant", "the code is unknown, expired or used")
        request = AuthorizationRequest(**content["request"])
        if request.client_id != client_id or given.get("redirect_uri") != request.redirect_uri:
            raise OAuthError("invalid_grant", "the code was issued to another client or redirect URI")
        if not verifies(given.get("code_verifier", ""), request.code_challenge):
            raise OAuthError("invalid_grant", "the code verifier does not fit")
        sign_on = await self.sign_ons.advance(content["sign_on"], SignOnState.REDEEMED)
        if sign_on is None:
            raise OAuthError("invalid_grant", "the sign-on has ended")
        realm_user = RealmUser(**found) if (found := content.get("realm_user")) else None
        return _Redeemed(replace(sign_on, person=replace(sign_on.person, name=content["name"])), realm_user, request)

    async def _end_what_it_gave(self, code: str | None, client_id: str) -> None:
        """Of a code that was used before: one of the two who had it should not have had it (RFC 6749, 4.1.2)."""
        used = await self.one_time.recall(OneTimeKind.CODE, code, self.now()) if code else None
        if used is not None and used["request"]["client_id"] == client_id:
            await self.ask_for(Task(TaskKind.END_SIGN_ON, used["sign_on"]))

    async def _answer(self, installation: Installation, redeemed: _Redeemed) -> Json:
        sign_on = redeemed.sign_on
        notes = Notes(
            account_name=installation.account_name,
            apps=await self.installations.active_apps(installation.account),
            email_verified=is_of_domain(sign_on.person.email, self.email_domains.get(installation.account, ())),
        )
        claims = id_token_claims(
            sign_on,
            installation,
            notes,
            issuer=self.issuers.identifier(installation.slug),
            client_id=redeemed.request.client_id,
            nonce=redeemed.request.nonce,
            now=self.now(),
            realm_user=redeemed.realm_user,
        )
        return {
            # Keycloak wants one; there is nothing to be had for it.
            "access_token": random_value(),
            "token_type": "Bearer",
            "expires_in": ACCESS_TOKEN_LIFETIME_S,
            "scope": "openid",
            "id_token": self.keys.sign(claims, "JWT"),
            # Keycloak before 26.7 takes the session id from here.
            "session_state": sign_on.sid,
        }
