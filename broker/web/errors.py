"""Errors → answers: whatever stops a browser ends on the error page; nothing of an exception is shown."""

from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from broker.errors import LaunchAgain, SignOnFailed, StorageError
from broker.model.failure import Reason, Stage
from broker.web.failures import launch_path

log = structlog.get_logger()

AnswerFailure = Callable[[Request, SignOnFailed], Awaitable[Response]]


def handle_errors(app: FastAPI, answer: AnswerFailure) -> None:
    """Let the application answer with `answer`'s page."""

    async def sign_on_failed(request: Request, error: Exception) -> Response:
        assert isinstance(error, SignOnFailed)
        return await answer(request, error)

    async def launch_again(_: Request, error: Exception) -> Response:
        assert isinstance(error, LaunchAgain)
        log.info("an answer came twice; the launch starts anew", installation=error.installation)
        return RedirectResponse(launch_path(error.installation, error.hint), status_code=302)

    async def storage_failed(request: Request, error: Exception) -> Response:
        log.error("the database can't be used", path=request.url.path, error=str(error))
        failed = SignOnFailed(_stage_of(request), Reason.STORAGE_UNAVAILABLE, status=503, detail=str(error))
        return await answer(request, failed)

    async def unexpected(request: Request, error: Exception) -> Response:
        log.error("unexpected failure", path=request.url.path, exc_info=error)
        detail = type(error).__name__
        return await answer(request, SignOnFailed(_stage_of(request), Reason.UNEXPECTED, status=500, detail=detail))

    app.add_exception_handler(SignOnFailed, sign_on_failed)
    app.add_exception_handler(LaunchAgain, launch_again)
    app.add_exception_handler(StorageError, storage_failed)
    app.add_exception_handler(Exception, unexpected)


def _stage_of(request: Request) -> Stage:
    path = request.url.path
    if path == "/talkdesk/callback":
        return Stage.CALLBACK
    if path == "/launch/return":
        return Stage.RETURN
    return Stage.AUTHORIZE if path.startswith("/oidc/") else Stage.LAUNCH
