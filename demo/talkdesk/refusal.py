"""A refusal, and how it is answered: JSON with an error code, as OAuth 2.0 has it (RFC 6749 section 5.2)."""

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import FormData, QueryParams


class Refusal(Exception):
    """Why a request is not served."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.status = status
        self.error = error
        self.description = description


async def answer_refusal(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    note(request, error=refusal.error, description=refusal.description)
    headers = {"Cache-Control": "no-store"}
    if refusal.status == 401:
        headers["WWW-Authenticate"] = f'Bearer error="{refusal.error}"'
    content = {"error": refusal.error, "error_description": refusal.description}
    return JSONResponse(content, status_code=refusal.status, headers=headers)


def note(request: Request, **detail: str) -> None:
    """Put something into the record of this call. Never a secret: the record is on the page."""
    request.state.detail.update(detail)


def single_values(parameters: QueryParams | FormData) -> dict[str, str]:
    """Parameters by name; one that comes twice is refused (RFC 6749 section 3.1)."""
    values: dict[str, str] = {}
    for name, value in parameters.multi_items():
        if name in values:
            raise Refusal(400, "invalid_request", f"{name} is there twice")
        if not isinstance(value, str):
            raise Refusal(400, "invalid_request", f"{name} is a file")
        values[name] = value
    return values
