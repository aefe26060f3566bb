"""The Apps API answers as documented: 200, 202, 401, 403, 404, 409, and users in pages."""

from typing import Any

import httpx
import pytest

from demo.browser import Browser
from demo.talkdesk import ACME, ANA, Endpoint, Installation, InstallationState, Silence, StandIn, User, Variants
from demo.talkdesk.variants import UninstallAnswer, UserinfoForm
from tests.demo.conftest import Started
from tests.demo.partner import Partner

APPROVE = {"state": "approve"}


@pytest.fixture(autouse=True)
async def installation(talkdesk: StandIn, partner: Partner) -> Installation:
    return await talkdesk.install(ACME, talkdesk.app("Wallboard"))


async def test_approve_and_reject(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """Both are 200 and on record, in order."""
    token = await partner.app_token()
    assert (await partner.api("POST", "/state", token, {"state": "reject", "reason": "full"})).status_code == 200
    assert installation.state is InstallationState.REJECTED
    assert (await partner.api("POST", "/state", token, APPROVE)).status_code == 200
    await talkdesk.until_answered(installation)
    assert installation.answers == ["reject", "approve"]
    assert [call.detail["state"] for call in talkdesk.calls_to(Endpoint.STATE)] == ["reject", "approve"]


@pytest.mark.parametrize("body", [{"state": "completed"}, {}, [], None])
async def test_other_states(partner: Partner, installation: Installation, body: Any) -> None:
    """The newer pages allow `approve` and `reject` only."""
    answer = await partner.api("POST", "/state", await partner.app_token(), body)
    assert (answer.status_code, installation.state) == (400, InstallationState.PENDING)


async def test_who_may_answer(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """No token or an unknown one is 401; the wrong scope or another installation's token is 403."""
    assert (await partner.api("POST", "/state", None, APPROVE)).status_code == 401
    assert (await partner.api("POST", "/state", "unknown", APPROVE)).status_code == 401
    assert (await partner.api("POST", "/state", await partner.app_token("apps:read"), APPROVE)).status_code == 403
    await talkdesk.install(ACME, talkdesk.app("Notes"))
    assert (await partner.api("POST", "/state", await partner.app_token(), APPROVE)).status_code == 403
    assert installation.state is InstallationState.PENDING


async def test_unknown_installation(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """An unknown installation is 404, a known one under another app too."""
    headers = {"Authorization": f"Bearer {await partner.app_token()}"}
    for path in (
        f"{installation.app.id}/installations/0",
        f"{talkdesk.app('Notes').id}/installations/{installation.id}",
    ):
        answer = await partner.client.post(f"{talkdesk.url}/apps/{path}/state", json=APPROVE, headers=headers)
        assert answer.status_code == 404


@pytest.mark.parametrize(
    ("variant", "token_status", "state_status"),
    [
        (UninstallAnswer.ACCEPTED, 200, 200),
        (UninstallAnswer.DEAD_401, 401, 401),
        (UninstallAnswer.DEAD_403, 200, 403),
        (UninstallAnswer.DEAD_404, 200, 404),
    ],
)
async def test_acknowledged_uninstallation(
    start: Started, partner: Partner, variant: UninstallAnswer, token_status: int, state_status: int
) -> None:
    """What the acknowledgement meets, with a new token and with one from before; afterwards the credentials are dead."""
    partner.received.clear()
    talkdesk = await start(Variants(uninstall_answer=variant))
    installation = await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    before = await partner.app_token()
    await talkdesk.uninstall(installation)
    answer = await partner.token_request(grant_type="client_credentials", scope="apps:write")
    assert answer.status_code == token_status
    if token_status == 200:
        new = answer.json()["access_token"]
        assert (await partner.api("POST", "/state", new, APPROVE)).status_code == state_status
    # Once acknowledged the credentials are dead, and with them every token.
    after = 401 if variant is UninstallAnswer.ACCEPTED else state_status
    assert (await partner.api("POST", "/state", before, APPROVE)).status_code == after


async def test_acknowledging_credentials(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """First ones wait for nothing (409), unknown ones are 404, rotated ones 202 and only once."""

    async def acknowledge(client_id: str) -> int:
        body = {"state": "acknowledged"}
        return (await partner.api("POST", f"/credentials/{client_id}/state", token, body)).status_code

    token = await partner.app_token()
    first = partner.installed.data["client_id"]
    assert [await acknowledge(first), await acknowledge("unknown")] == [409, 404]
    await talkdesk.rotate(installation)
    token = await partner.app_token()
    second = partner.installed.data["client_id"]
    assert [await acknowledge(second), await acknowledge(second)] == [202, 409]


async def test_rotation_on_request(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """The app asks, the event follows."""
    answer = await partner.api("POST", "/credentials/actions/rotate", await partner.app_token())
    assert answer.status_code == 202
    await talkdesk.wait_until(lambda: len(talkdesk.deliveries) == 2, what="rotated")
    assert talkdesk.deliveries[1].event.type == "app.credentials_rotated"


async def test_users_in_pages(talkdesk: StandIn, partner: Partner, installation: Installation) -> None:
    """`_links.next` leads through all pages, and ends."""
    installation.users = [User(f"{number:024x}", f"User {number}", f"u{number}@acme.example") for number in range(7)]
    headers = {"Authorization": f"Bearer {await partner.app_token('apps:read')}"}
    url = partner.received[0].link("installation") + "/users?per_page=3"
    ids: list[str] = []
    sizes: list[int] = []
    while url:
        page = (await partner.client.get(url, headers=headers)).json()
        assert (page["total"], page["per_page"], page["page"]) == (7, 3, len(sizes) + 1)
        sizes.append(len(page["_embedded"]["users"]))
        ids += [user["id"] for user in page["_embedded"]["users"]]
        url = page["_links"].get("next", {}).get("href")
    assert (sizes, ids) == ([3, 3, 1], [user.id for user in installation.users])


async def test_users_need_the_scope_to_read(partner: Partner) -> None:
    """`apps:write` is not `apps:read`."""
    assert (await partner.api("GET", "/users", await partner.app_token("apps:write"))).status_code == 403


@pytest.mark.parametrize(
    ("form", "fields", "is_subject_the_id"),
    [
        (UserinfoForm.ID, {"sub", "name", "email", "id", "_links"}, False),
        (UserinfoForm.LINK, {"sub", "name", "email", "_links"}, False),
        (UserinfoForm.SUB, {"sub", "name", "email"}, True),
    ],
)
async def test_userinfo(
    start: Started, partner: Partner, form: UserinfoForm, fields: set[str], is_subject_the_id: bool
) -> None:
    """Three places where the user's id may be, and in each variant only there."""
    partner.received.clear()
    talkdesk = await start(Variants(userinfo=form))
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    async with Browser() as browser:
        talkdesk.sign_in(browser, ANA)
        tokens = (await partner.redeem((await partner.authorize(browser))["code"])).json()
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    claims = (await partner.client.get(partner.installed.link("userinfo"), headers=headers)).json()
    assert set(claims) == fields
    assert (claims["sub"] == ANA.id) is is_subject_the_id
    assert claims.get("id", ANA.id) == ANA.id
    if "_links" in claims:
        assert claims["_links"]["self"]["href"].endswith(f"/users/{ANA.id}")


async def test_userinfo_wants_openid(partner: Partner) -> None:
    """A token for the Apps API says nothing about a user."""
    headers = {"Authorization": f"Bearer {await partner.app_token()}"}
    assert (await partner.client.get(partner.installed.link("userinfo"), headers=headers)).status_code == 403
    assert (await partner.client.get(partner.installed.link("userinfo"))).status_code == 401


async def test_faults(talkdesk: StandIn, partner: Partner) -> None:
    """The next calls get what was ordered, those after them the endpoint; all are on record."""
    talkdesk.faults.next(Endpoint.TOKEN, 503, times=2, headers={"Retry-After": "1"})
    form = {"grant_type": "client_credentials", "scope": "apps:write"}
    answers = [await partner.token_request(**form) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["retry-after"] == "1"
    assert [call.status for call in talkdesk.calls_to(Endpoint.TOKEN)] == [503, 503, 200]


async def test_silence(talkdesk: StandIn, partner: Partner) -> None:
    """A call that hangs runs into the caller's time limit; one that is dropped breaks at once."""
    talkdesk.faults.next(Endpoint.TOKEN, Silence.DROP)
    with pytest.raises(httpx.RemoteProtocolError):
        await partner.client.post(partner.token_url)
    talkdesk.faults.next(Endpoint.TOKEN, Silence.HANG)
    with pytest.raises(httpx.ReadTimeout):
        await partner.client.post(partner.token_url, timeout=0.1)
    await talkdesk.wait_until(lambda: len(talkdesk.calls_to(Endpoint.TOKEN)) == 2, what="both calls on record")
    assert [call.status for call in talkdesk.calls_to(Endpoint.TOKEN)] == [None, None]
