"""The web page and the control API drive the same stand-in, and neither obeys strangers."""

from typing import Any

import httpx
import pytest

from demo.browser import Browser
from demo.talkdesk import ACME, ANA, NOTES_ID, WALLBOARD_ID, Account, App, Endpoint, StandIn, User, apps_at
from tests.demo.partner import Partner


async def test_sign_in_install_launch_sign_out(talkdesk: StandIn, partner: Partner, browser: Browser) -> None:
    """What a person can do on the page, one after the other."""
    page = await browser.open(talkdesk.url)
    assert "Nobody is signed in" in page.text
    await browser.submit(f"{talkdesk.url}/home/install", {"account": "acme", "app": WALLBOARD_ID})
    page = await browser.submit(f"{talkdesk.url}/home/sign-in", {"user": ANA.id})
    (installation,) = talkdesk.state.installations.values()
    link = talkdesk.launch_url(installation, ANA).replace("&", "&amp;")
    assert f'href="{link}" target="_blank" rel="noopener"' in page.text
    assert link.startswith(f"{partner.server.url}/talkdesk/launch?talkdesk_installation_id={installation.id}")
    page = await browser.submit(f"{talkdesk.url}/home/sign-out", {})
    assert "Nobody is signed in" in page.text
    assert [each.event["type"] for each in partner.received] == ["app.installed", "user.logout"]


async def test_uninstall_and_rotate(talkdesk: StandIn, partner: Partner, browser: Browser) -> None:
    """Both are buttons of an installation; a second uninstallation is refused."""
    installation = await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    form = {"installation": installation.id}
    await browser.submit(f"{talkdesk.url}/home/rotate", form)
    page = await browser.submit(f"{talkdesk.url}/home/uninstall", form)
    assert (page.status, installation.is_installed) == (200, False)
    assert (await browser.submit(f"{talkdesk.url}/home/uninstall", form)).status == 409
    types = [each.event["type"] for each in partner.received]
    assert types == ["app.installed", "app.credentials_rotated", "app.uninstalled"]


async def test_icons_are_the_signed_in_users(talkdesk: StandIn, browser: Browser) -> None:
    """Only apps of that account, and only for licensed users."""
    await talkdesk.install(ACME, talkdesk.app("Wallboard"), users=[ANA])
    for user, is_shown in ((ANA, True), (ACME.users[1], False)):
        talkdesk.sign_in(browser, user)
        assert ('class="icon"' in (await browser.open(talkdesk.url)).text) is is_shown


async def test_names_are_escaped(partner: Partner, browser: Browser) -> None:
    """A customer's administrator chooses names: none of them becomes markup."""
    mallory = User("0" * 24, "<script>alert(1)</script>", 'm"@evil.example')
    evil = Account("1" * 24, "evil", '"><img src=x>', (mallory,))
    (wallboard, _) = apps_at(partner.server.url)
    app = App(wallboard.id, "<b>", wallboard.events_url, wallboard.standalone_url, wallboard.redirect_url)
    talkdesk = StandIn(apps=[app], accounts=[evil])
    await talkdesk.start()
    await talkdesk.install(evil, app)
    talkdesk.sign_in(browser, mallory)
    text = (await browser.open(talkdesk.url)).text
    browser.clear()
    text += (await browser.open(partner.authorization_url())).text
    await talkdesk.stop()
    assert "&lt;script&gt;" in text
    assert not [part for part in ("<script>alert", "<img", "<b>", 'm"@') if part in text]


async def test_forms_of_other_sites(talkdesk: StandIn, partner: Partner) -> None:
    """Another site's form signs nobody out and installs nothing."""
    for path in ("/home/sign-out", "/home/install", "/acme/sign-in"):
        answer = await partner.client.post(talkdesk.url + path, headers={"Sec-Fetch-Site": "cross-site"})
        assert answer.status_code == 403


async def test_page_needs_nobody_else(talkdesk: StandIn, browser: Browser) -> None:
    """Own style, own script, a policy that allows nothing else."""
    page = await browser.open(talkdesk.url)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "//" not in page.text.replace(talkdesk.url, "")
    for asset in ("style.css", "feed.js"):
        assert (await browser.open(f"{talkdesk.url}/assets/{asset}")).status == 200


async def test_live_list(talkdesk: StandIn, partner: Partner) -> None:
    """What was sent and what was asked, the newest first, with the answers."""
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    await partner.app_token()
    partner.answers.append(500)
    await talkdesk.user_logout(ANA)
    lines = (await partner.client.get(f"{talkdesk.url}/home/feed")).json()
    assert [(line["what"], line["answer"], line["is_good"]) for line in lines] == [
        ("user.logout", "500", False),
        ("POST token", "200", True),
        ("app.installed", "202", True),
    ]


async def test_control(talkdesk: StandIn, partner: Partner) -> None:
    """Another process can do what the methods do."""
    control = f"{talkdesk.url}/control"

    async def command(name: str, **arguments: object) -> dict[str, Any]:
        answer = await partner.client.post(f"{control}/{name}", json=arguments)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    installed = await command("install", account="acme", app=NOTES_ID)
    assert "talkdesk_session=" in (await command("sign-in", user=ANA.id))["set_cookie"]
    partner.answers.append(500)
    (delivery,) = (await command("user-logout", user=ANA.id))["deliveries"]
    assert (await command("retry", event=delivery["event"]))["attempts"] == [500, 202]
    assert (await command("redeliver", event=delivery["event"]))["attempts"] == [202]
    await command("fault", endpoint="token", outcome="drop")
    await command("rotate", installation=installed["id"], compromised=True)
    await command("uninstall", installation=installed["id"])
    state = (await partner.client.get(f"{control}/state")).json()
    assert [each["state"] for each in state["installations"]] == ["uninstalled"]
    assert len(state["deliveries"]) == 5
    with pytest.raises(httpx.RemoteProtocolError):
        await partner.client.post(partner.token_url)
    assert talkdesk.calls_to(Endpoint.TOKEN)[0].detail == {"fault": "drop"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "attacker.example", "Content-Type": "application/json"}, 403),
        ({"Content-Type": "text/plain"}, 400),
        ({}, 400),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 400),
    ],
)
async def test_control_refuses_web_pages(
    talkdesk: StandIn, partner: Partner, headers: dict[str, str], status: int
) -> None:
    """Neither a rebound name nor a form of another site gets through."""
    content = f'{{"account": "acme", "app": "{WALLBOARD_ID}"}}'
    answer = await partner.client.post(f"{talkdesk.url}/control/install", content=content, headers=headers)
    assert (answer.status_code, talkdesk.state.installations) == (status, {})


@pytest.mark.parametrize(
    ("name", "command", "status"),
    [
        ("install", {"account": "nobody", "app": WALLBOARD_ID}, 404),
        ("install", {"account": "acme", "misspelt": 1}, 400),
        ("fault", {"endpoint": "token", "outcome": "explode"}, 404),
        ("retry", {"event": "unknown"}, 404),
    ],
)
async def test_wrong_commands(
    talkdesk: StandIn, partner: Partner, name: str, command: dict[str, object], status: int
) -> None:
    """What is unknown or misspelt is refused, and nothing happens."""
    answer = await partner.client.post(f"{talkdesk.url}/control/{name}", json=command)
    assert (answer.status_code, talkdesk.deliveries) == (status, [])
