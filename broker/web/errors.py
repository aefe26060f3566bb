"""Errors → answers: whatever stops a browser ends on the error page; nothing of an exception is shown."""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import Response

from broker.errors import SignOnFailed, StorageError
from broker.model.failure import Stage

log = structlog.get_logger()

AnswerFailure = Callable[[SignOnFailed], Awaitable[Response]]


def handle_errors(app: FastAPI, answer: AnswerFailure) -> None:
    """Let the application answer with `answer`'s page."""

    async def sign_on_failed(_: Request, error: Exception) -> Response:
        assert isinstance(error, SignOnFailed)
        return await answer(error)

    async def storage_failed(request: Request, error: Exception) -> Response:
        log.error("the database can't be used", path=request.url.path, error=str(error))
        sentence = "The sign-on service is not available right now."
        stage = _stage_of(request)
        return await answer(SignOnFailed(stage, "storage_unavailable", sentence, status=503, detail=str(error)))

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected failure", path=request.url.path, exc_info=error)
        sentence = "Something went wrong on our side."
        detail = type(error).__name__
        return await answer(SignOnFailed(_stage_of(request), "unexpected", sentence, status=500, detail=detail))

    app.add_exception_handler(SignOnFailed, sign_on_failed)
    app.add_exception_handler(StorageError, storage_failed)
    app.add_exception_handler(Exception, unexpected)


def _stage_of(request: Request) -> Stage:
    path = request.url.path
    if path == "/talkdesk/callback":
        return Stage.CALLBACK
    if path == "/launch/return":
        return Stage.RETURN
    return Stage.AUTHORIZE if path.startswith("/oidc/") else Stage.LAUNCH
