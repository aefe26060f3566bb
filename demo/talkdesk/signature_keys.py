"""The public keys that events are signed with ("Events API"): by id, without authentication."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from demo.talkdesk.refusal import Refusal
from demo.talkdesk.state import State


def routes(state: State) -> APIRouter:
    router = APIRouter()

    @router.get("/events/signature-keys/{key_id}")
    async def signature_key(key_id: str) -> Response:
        key = state.event_keys.get(key_id)
        if key is None:
            raise Refusal(404, "not_found", "There is no such key.")
        return JSONResponse({"id": key.id, str(state.variants.key_field): key.public_text(state.variants.key_encoding)})

    return router
