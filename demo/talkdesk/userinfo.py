"""Userinfo: who signed on ("Single Sign-On and Sign-Out"). Bearer with scope `openid`."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from demo.talkdesk.bearer import bearer
from demo.talkdesk.model import User
from demo.talkdesk.refusal import Refusal, note
from demo.talkdesk.state import State
from demo.talkdesk.variants import UserinfoForm


def subject(state: State, user: User) -> str:
    return user.id if state.variants.userinfo is UserinfoForm.SUB else user.subject


def routes(state: State) -> APIRouter:
    router = APIRouter()

    @router.get("/userinfo")
    async def userinfo(request: Request) -> Response:
        token = bearer(state, request, "openid")
        if token.user is None or not token.installation.is_installed:
            raise Refusal(403, "insufficient_scope", "The access token stands for no user.")
        note(request, user=token.user.name)
        return JSONResponse(_claims(state, token.user), headers={"Cache-Control": "no-store"})

    return router


def _claims(state: State, user: User) -> dict[str, Any]:
    form = state.variants.userinfo
    claims: dict[str, Any] = {"sub": subject(state, user), "name": user.name, "email": user.email}
    if form is UserinfoForm.ID:
        claims["id"] = user.id
    if form is not UserinfoForm.SUB:
        claims["_links"] = {"self": {"href": f"{state.addresses.gateway}/users/{user.id}"}}
    return claims
