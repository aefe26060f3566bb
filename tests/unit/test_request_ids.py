"""One id a request: in its answer, and in all its log lines."""

import ipaddress
import re
from typing import Any

import httpx
import pytest
import structlog
from fastapi import FastAPI

from broker.web.middleware import REQUEST_ID, RequestIds

PROXY = ipaddress.ip_network("10.0.0.0/24")


def application() -> RequestIds:
    """Routes that log, and one that fails in a way that nobody expected."""
    routes = FastAPI()
    log = structlog.get_logger()

    @routes.get("/log")
    async def log_twice() -> None:
        log.info("first")
        log.info("second")

    @routes.get("/fail")
    async def fail() -> None:
        log.info("about to fail")
        raise RuntimeError

    return RequestIds(routes, [PROXY])


async def get(path: str, request_id: str | None = None, client: str = "10.0.0.7") -> tuple[str, list[Any]]:
    """Id in the answer, and ids in the log lines."""
    transport = httpx.ASGITransport(application(), raise_app_exceptions=False, client=(client, 1))
    headers = {} if request_id is None else {REQUEST_ID: request_id}
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        async with httpx.AsyncClient(transport=transport, base_url="http://broker.test") as browser:
            answer = await browser.get(path, headers=headers)
    return answer.headers[REQUEST_ID], [line["request_id"] for line in lines]


async def test_a_request_has_one_id_in_all_its_lines() -> None:
    """Another request has another."""
    first, lines = await get("/log")
    assert re.fullmatch(r"[0-9a-f]{16}", first)
    assert lines == [first, first]
    assert (await get("/log"))[0] != first


async def test_a_request_that_fails_has_its_id_too() -> None:
    """That is the one that somebody will look for."""
    answered, lines = await get("/fail")
    assert lines == [answered]


async def test_nothing_of_it_is_left_for_the_next() -> None:
    """Lines outside of requests have none."""
    await get("/log")
    assert structlog.contextvars.get_contextvars() == {}


@pytest.mark.parametrize("given", ["abcdefgh", "A-z-0-9-" * 8])
async def test_a_harmless_id_is_taken_from_outside(given: str) -> None:
    """So that a proxy's lines and ours have the same."""
    assert await get("/log", given) == (given, [given, given])


@pytest.mark.parametrize("given", ["short-1", "a" * 65, "with space", "semi;colon", "dot.dot.dot", ""])
async def test_any_other_id_is_replaced(given: str) -> None:
    """It goes into a header and into log lines."""
    answered, lines = await get("/log", given)
    assert answered != given
    assert lines == [answered, answered]


@pytest.mark.parametrize("client", ["10.0.1.7", "::1", "", "testclient"])
async def test_nobody_but_a_trusted_proxy_chooses_an_id(client: str) -> None:
    """Else many requests could hide behind one id."""
    answered, lines = await get("/log", "0123456789abcdef", client)
    assert answered != "0123456789abcdef"
    assert lines == [answered, answered]
