"""Sign-on at Talkdesk: authorization code grant and userinfo ("OAuth 2.0" in docs/talkdesk.md; RFC 6749, OpenID Connect Core 5.3).

Owns: the requests, and what an answer must hold at least.
Leaves to others: state and nonce (`provider`), who the person is (`provider`), the browser.
"""

from collections.abc import Callable
from dataclasses import dataclass

import httpx

from broker.model.installation import Installation
from broker.outbound import date_of
from broker.ports import Clock, Json, TokenAnswer
from broker.talkdesk.client_assertion import ASSERTION_TYPE, assertion_claims, sign_assertion
from broker.talkdesk.wire import Wire, access_of, json_object, text_field

# Nothing more: the broker acts for nobody at Talkdesk, it wants to know who it is.
SCOPE = "openid"


@dataclass(frozen=True)
class OAuth:
    """TalkdeskOAuth over HTTP."""

    wire: Wire
    redirect_url: str
    """The one redirect URL that is registered at Talkdesk, for all installations."""
    clock: Clock
    random_value: Callable[[], str]

    def authorization_url(self, installation: Installation, *, state: str, nonce: str, code_challenge: str) -> str:
        """As the port says. A query that the link has already stays, but for parameters of ours: no parameter comes twice."""
        links, credentials = access_of(installation)
        ours = {
            "response_type": "code",
            "client_id": credentials.client_id,
            "redirect_uri": self.redirect_url,
            "scope": SCOPE,
            "state": state,
            "nonce": nonce,
            # Talkdesk does not mention PKCE [open]: a server that does not know it ignores it (RFC 6749, 3.1).
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
        }
        return str(httpx.URL(self.wire.check("authorization", links.authorization)).copy_merge_params(ours))

    async def exchange(self, installation: Installation, *, code: str, code_verifier: str) -> TokenAnswer:
        """As the port says. A code is good for one use, and used again it ends what it gave (RFC 6749, 4.1.2): so no retry."""
        what = "authorization code"
        links, credentials = access_of(installation)
        asked_at = self.clock()
        claims = assertion_claims(credentials.client_id, audience=links.token, jti=self.random_value(), now=asked_at)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_url,
            "code_verifier": code_verifier,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": sign_assertion(credentials, claims),
        }
        answer = await self.wire.call(what, "POST", links.token, form=form)
        content = json_object(what, answer)
        id_token = content.get("id_token")
        return TokenAnswer(
            access_token=text_field(what, content, "access_token"),
            id_token=id_token if isinstance(id_token, str) and id_token else None,
            # Without it, ours before the question: a sign-on taken for too old is ended by a sign-out, not missed.
            answered_at=date_of(answer.headers) or asked_at.replace(microsecond=0),
        )

    async def userinfo(self, installation: Installation, access_token: str) -> Json:
        """As the port says."""
        what = "userinfo"
        links, _ = access_of(installation)
        return json_object(what, await self.wire.call(what, "GET", links.userinfo, bearer=access_token))
