"""The answer to Keycloak's authorization request: a sign-on, and a code for it (OpenID Connect Core 3.1.2.5, RFC 9207)."""

import asyncio
from dataclasses import asdict, dataclass
from datetime import timedelta
from urllib.parse import urlencode

from broker.errors import SignOnFailed
from broker.issuer.identifier import Issuers
from broker.model.authorization import AuthorizationRequest, Proven
from broker.model.failure import Reason, Stage
from broker.model.installation import Installation
from broker.model.names import username_of
from broker.model.outcome import Redirect
from broker.model.pkce import random_value
from broker.model.sign_on import SignOn, SignOnState
from broker.ports import Clock, OneTimeKind, OneTimeValues, SignOns

CODE_LIFETIME = timedelta(seconds=60)


@dataclass(frozen=True)
class AnswerKeycloak:
    """Vouches for a proven person."""

    sign_ons: SignOns
    one_time: OneTimeValues
    issuers: Issuers
    now: Clock

    async def __call__(
        self,
        installation: Installation,
        request: AuthorizationRequest,
        proven: Proven,
        *,
        clear_cookie: str | None = None,
    ) -> Redirect:
        """Back to Keycloak with a code. Raises SignOnFailed where the person was signed out meanwhile."""
        now = self.now()
        sign_on = SignOn(
            id=random_value(),
            sid=random_value(),
            installation=installation.id,
            person=proven.person,
            sub=username_of(proven.person.account, proven.person.user),
            begun_at=proven.begun_at,
            asked_at=proven.asked_at,
            created_at=now,
            state=SignOnState.CODE_ISSUED,
            alias=request.alias,
        )
        code = random_value()
        # Name and Keycloak user are needed for the ID token and kept nowhere else.
        content = {
            "sign_on": sign_on.id,
            "name": proven.person.name,
            "realm_user": asdict(proven.realm_user) if proven.realm_user else None,
            "request": asdict(request),
        }
        # Side by side, since the disk takes both at once. The code goes out only with a sign-on, which a sign-out finds from here on.
        is_saved, _ = await asyncio.gather(
            self.sign_ons.save(sign_on),
            self.one_time.save(OneTimeKind.CODE, code, content, now + CODE_LIFETIME),
        )
        if not is_saved:
            raise SignOnFailed(
                Stage.CALLBACK,
                Reason.SIGNED_OUT_MEANWHILE,
                status=403,
                installation=installation.id,
            )
        answer = {"code": code, "state": request.state, "iss": self.issuers.identifier(installation.slug)}
        return Redirect(f"{request.redirect_uri}?{urlencode(answer)}", clear_cookie=clear_cookie)
