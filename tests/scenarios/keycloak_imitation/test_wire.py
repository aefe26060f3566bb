"""The imitation of Keycloak: the record of requests, and faults on demand."""

import asyncio

import httpx
import pytest
import pytest_asyncio

from demo.browser import Browser
from tests.scenarios.keycloak_imitation.counterparts import Counterparts

INSTANCES = "/admin/realms/talkdesk/identity-provider/instances"
CERTS = "/realms/talkdesk/protocol/openid-connect/certs"


@pytest_asyncio.fixture
async def admin(desk: Counterparts) -> httpx.AsyncClient:
    """An HTTP client with the broker's token; nothing is on record yet."""
    form = {"grant_type": "client_credentials", "client_id": "talkdesk-broker", "client_secret": "secret-of-broker"}
    desk.http.base_url = httpx.URL(desk.keycloak.url)
    answer = await desk.http.post("/realms/talkdesk/protocol/openid-connect/token", data=form)
    desk.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    desk.keycloak.requests.clear()
    return desk.http


async def test_writes_are_the_admin_calls_that_change(desk: Counterparts, admin: httpx.AsyncClient) -> None:
    """Tokens and reads are requests, but no writes; a write has its body."""
    await admin.get(INSTANCES)
    assert desk.keycloak.writes() == []

    await admin.post(INSTANCES, json=desk.representation("new"))
    await admin.put(f"{INSTANCES}/new", json=desk.representation("new"))
    await admin.delete(f"{INSTANCES}/new")

    recorded = [(each.method, each.status) for each in desk.keycloak.writes()]
    assert recorded == [("POST", 201), ("PUT", 204), ("DELETE", 204)]
    assert desk.keycloak.writes()[0].json() == desk.representation("new")
    assert len(desk.keycloak.requests) == 4


async def test_next_requests_fail_as_asked(desk: Counterparts, admin: httpx.AsyncClient) -> None:
    """So many of that path and method, no other, then it works again."""
    desk.keycloak.fail("/realms/talkdesk/protocol", 503, times=2, method="GET")
    elsewhere = await admin.get("/realms/talkdesk/.well-known/openid-configuration")
    otherwise = await admin.post(CERTS)
    statuses = [(await admin.get(CERTS)).status_code for _ in range(3)]

    assert (elsewhere.status_code, otherwise.status_code, statuses) == (200, 405, [503, 503, 200])


async def test_hanging_request_goes_on_when_released(desk: Counterparts, admin: httpx.AsyncClient) -> None:
    """It waits for the test, not for time."""
    desk.keycloak.hang(CERTS)
    async with asyncio.TaskGroup() as tasks:
        hanging = tasks.create_task(admin.get(CERTS))
        await desk.keycloak.hangs()
        assert not hanging.done()
        desk.keycloak.release()

    assert hanging.result().status_code == 200


@pytest.mark.parametrize(("after_work", "aliases"), [(False, {"talkdesk-one"}), (True, {"talkdesk-one", "new"})])
async def test_lost_connection_leaves_open_what_was_done(
    desk: Counterparts, admin: httpx.AsyncClient, after_work: bool, aliases: set[str]
) -> None:
    """The caller sees the same: no answer."""
    desk.keycloak.drop(INSTANCES, after_work=after_work)

    with pytest.raises(httpx.TransportError):
        await admin.post(INSTANCES, json=desk.representation("new"))

    assert set(desk.keycloak.identity_providers) == aliases
    assert [each.status for each in desk.keycloak.writes()] == [None]


async def test_realm_that_was_down_knows_its_sessions(desk: Counterparts, browser: Browser) -> None:
    """No connection while it is down; the same address and the same state afterwards."""
    await desk.launch(browser)
    await desk.keycloak.down()
    with pytest.raises(httpx.ConnectError):
        await desk.launch(browser)

    await desk.keycloak.up()

    assert (await desk.launch(browser)).longest_chain == 1
