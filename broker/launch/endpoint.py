"""Routes of a launch."""

from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from broker.launch.returning import ReturnFromKeycloak
from broker.launch.start import ResumeLaunch, StartLaunch
from broker.model.failure import Stage
from broker.model.outcome import Outcome
from broker.reception import Reception

Render = Callable[[Request, Outcome], Response]


def router(
    start: StartLaunch, resume: ResumeLaunch, returning: ReturnFromKeycloak, render: Render, reception: Reception
) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.get("/talkdesk/launch")
    async def launch(request: Request) -> Response:
        with reception.receive(Stage.LAUNCH):
            return render(request, await start(request.query_params.multi_items(), is_framed=_is_framed(request)))

    @routes.get("/launch/return")
    async def launch_return(request: Request) -> Response:
        with reception.receive(Stage.RETURN):
            return render(request, await returning(request.query_params.multi_items(), request.cookies))

    @routes.get("/launch/resume")
    async def launch_resume(request: Request) -> Response:
        with reception.receive(Stage.LAUNCH):
            return render(request, await resume(request.cookies, is_framed=_is_framed(request)))

    return routes


def _is_framed(request: Request) -> bool:
    """Whether the browser says that it will show the answer inside another page (Fetch Metadata)."""
    return request.headers.get("sec-fetch-dest") in _FRAMES


_FRAMES = frozenset({"iframe", "frame", "embed", "object"})
