"""What clients of the realm call: discovery, keys, token endpoint.

Leaves to others: how a code came about (`browser`). Of the grants only those that the broker and plain apps use.
"""

import base64
import binascii
import json
import uuid
from datetime import timedelta
from urllib.parse import unquote_plus

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.keycloak.model import Client, Code, Json, Session
from tests.fakes.keycloak.realm import Realm
from tests.fakes.keycloak.sign_on import s256

CODE_LIFETIME = timedelta(seconds=60)
TOKEN_LIFETIME_S = 300

_JSON_NOTES = ("talkdesk_apps",)


class TokenEndpoints:
    """Discovery, keys and tokens."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self.discovery),
            Route("/protocol/openid-connect/certs", self.certs),
            Route("/protocol/openid-connect/token", self.token, methods=["POST"]),
        ]

    async def discovery(self, _: Request) -> Response:
        protocol = f"{self._realm.issuer}/protocol/openid-connect"
        return JSONResponse(
            {
                "issuer": self._realm.issuer,
                "authorization_endpoint": f"{protocol}/auth",
                "token_endpoint": f"{protocol}/token",
                "jwks_uri": f"{protocol}/certs",
                "end_session_endpoint": f"{protocol}/logout",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "grant_types_supported": ["authorization_code", "client_credentials"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid"],
                "backchannel_logout_supported": True,
                "backchannel_logout_session_supported": True,
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def certs(self, _: Request) -> Response:
        return JSONResponse({"keys": [self._realm.key.as_dict(private=False)]})

    async def token(self, request: Request) -> Response:
        """Who is the client, then what does it want."""
        form = await request.form()
        client = self._authenticated(request, form)
        if client is None:
            return _error(401, "unauthorized_client", "Invalid client or Invalid client credentials")
        match form.get("grant_type"):
            case "client_credentials" if client.roles:
                return JSONResponse(self._answer(self._access_token(client, {"sub": f"service-account-{client.id}"})))
            case "client_credentials":
                return _error(401, "unauthorized_client", "Client not enabled to retrieve service account")
            case "authorization_code":
                return self._redeem(client, form)
        return _error(400, "unsupported_grant_type", "Unsupported grant_type")

    def _authenticated(self, request: Request, form: FormData) -> Client | None:
        name, secret = str(form.get("client_id", "")), str(form.get("client_secret", ""))
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                pair = base64.b64decode(credentials).decode()
            except (binascii.Error, UnicodeDecodeError):
                return None
            name, secret = (unquote_plus(part) for part in (*pair.split(":", 1), "")[:2])
        client = self._realm.clients.get(name)
        return client if client and client.secret == secret else None

    def _redeem(self, client: Client, form: FormData) -> Response:
        code = self._realm.codes.pop(str(form.get("code", "")), None)
        if code is None or code.tab.client is not client or self._realm.clock() - code.issued_at > CODE_LIFETIME:
            return _error(400, "invalid_grant", "Code not valid")
        session = self._realm.sessions.get(code.session_id)
        if session is None:
            return _error(400, "invalid_grant", "Session not active")
        if form.get("redirect_uri") != code.tab.redirect_uri:
            return _error(400, "invalid_grant", "Incorrect redirect_uri")
        verifier = form.get("code_verifier")
        if (s256(str(verifier)) if verifier else None) != code.tab.code_challenge:
            return _error(400, "invalid_grant", "PKCE verification failed: Code mismatch")
        claims = self._session_claims(client, session, code)
        answer = self._answer(self._access_token(client, claims)) | {"session_state": session.id}
        if "openid" in code.tab.scope.split():
            answer["id_token"] = self._realm.sign(self._id_token(client, session, code, claims))
        return JSONResponse(answer)

    def _session_claims(self, client: Client, session: Session, code: Code) -> Json:
        names = {"given_name": session.user.first_name, "family_name": session.user.last_name}
        names["name"] = " ".join(filter(None, names.values()))
        return {
            "sub": session.user.id,
            "sid": session.id,
            "acr": code.acr,
            "preferred_username": session.user.username,
            **{claim: name for claim, name in names.items() if name},
            **{
                note: json.loads(value) if note in _JSON_NOTES else value
                for note, value in session.notes.items()
                if client.takes(note)
            },
        }

    def _id_token(self, client: Client, session: Session, code: Code, claims: Json) -> Json:
        nonce = {} if code.tab.nonce is None else {"nonce": code.tab.nonce}
        frame = {"typ": "ID", "aud": client.id, "auth_time": int(session.begun_at.timestamp())}
        return {**self._frame(client), **frame, **claims, **nonce}

    def _access_token(self, client: Client, claims: Json) -> str:
        roles = {"resource_access": {"realm-management": {"roles": list(client.roles)}}} if client.roles else {}
        return self._realm.sign({**self._frame(client), "typ": "Bearer", **claims, **roles})

    def _frame(self, client: Client) -> Json:
        now = self._realm.now_s
        return {
            "iss": self._realm.issuer,
            "azp": client.id,
            "iat": now,
            "exp": now + TOKEN_LIFETIME_S,
            "jti": str(uuid.uuid4()),
        }

    def _answer(self, access_token: str) -> Json:
        return {"access_token": access_token, "token_type": "Bearer", "expires_in": TOKEN_LIFETIME_S, "scope": "openid"}


def _error(status: int, error: str, description: str) -> Response:
    return JSONResponse({"error": error, "error_description": description}, status)
