"""The error page of the broker, and Keycloak's own, as a real Chromium shows them: without scripts, on a phone, light and dark."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser as Chromium
from pydantic import SecretStr

from broker.app import open_broker
from broker.model.names import AppId
from broker.settings import App, ConfigFile, Settings, Support
from demo.server import HttpServer
from tests.acceptance.chromium import assert_is_accessible, open_chromium, texts_of
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.prepared import copy_into

PHONE: Mapping[str, Any] = {"viewport": {"width": 320, "height": 640}, "device_scale_factor": 2, "is_mobile": True}
DESKTOP: Mapping[str, Any] = {"viewport": {"width": 1280, "height": 800}}
SHOWN = [
    {**device, "color_scheme": scheme, "locale": language}
    for device in (PHONE, DESKTOP)
    for scheme in ("light", "dark")
    for language in ("en", "es", "pt")
]
HEADING = {
    "en": ("The app could not be opened", "That did not work"),
    "pt": ("Não foi possível abrir a aplicação", "Não resultou"),
    "es": ("No se pudo abrir la aplicación", "No ha funcionado"),
}
SUPPORT = Support(email="support@example.com", phone="+351 21 000 00 00", url="https://example.com/a/long/way/to/help")


@pytest.fixture
async def chromium() -> AsyncIterator[Chromium]:
    """A Chromium."""
    async with open_chromium() as chromium:
        yield chromium


@pytest.fixture
async def broker_url(tmp_path: Path) -> AsyncIterator[str]:
    """A broker that knows no installation."""
    copy_into(tmp_path)
    server = HttpServer()
    settings = Settings(
        public_url=server.url,
        keycloak_url="http://127.0.0.1:9",
        keycloak_client_secret=SecretStr("x"),
        keycloak_launch_client_secret=SecretStr("x"),
        data_dir=tmp_path,
        config_file=tmp_path / "unused.toml",
    )
    app = App(id=AppId("app1"), name="Wallboard", start_url="https://wallboard.example", support=SUPPORT)
    async with open_broker(settings, ConfigFile(apps=(app,))) as broker:
        await server.start(broker.app)
        yield server.url
        await server.stop()


@pytest.mark.parametrize(
    "shown", SHOWN, ids=lambda shown: f"{shown['locale']}-{shown['color_scheme']}-{shown['viewport']['width']}"
)
async def test_both_error_pages_are_readable_by_everybody(
    broker_url: str, keycloak: RunningKeycloak, chromium: Chromium, shown: Mapping[str, Any], tmp_path: Path
) -> None:
    """In the browser's language, with enough contrast, on a narrow screen, with scripts switched off; and both look the same."""
    context, language = await chromium.new_context(**shown, java_script_enabled=False), shown["locale"]
    ours, theirs = await context.new_page(), await context.new_page()
    await ours.goto(f"{broker_url}/talkdesk/launch?talkdesk_installation_id=unknown")
    await theirs.goto(f"{keycloak.realm_url}/protocol/openid-connect/auth?client_id=nobody")
    looks = []
    for page, heading, name in zip((ours, theirs), HEADING[language], ("broker", "keycloak"), strict=True):
        await assert_is_accessible(page, language)
        assert await page.locator("h1").inner_text() == heading
        picture = await page.screenshot(path=tmp_path / f"{name}.png", full_page=True)
        assert picture.startswith(b"\x89PNG")
        looks.append(await page.evaluate(_LOOK))
    assert looks[0] == looks[1]
    is_dark = sum(int(part) for part in looks[0]["ground"].removeprefix("rgb(").removesuffix(")").split(",")) < 384
    assert is_dark is (shown["color_scheme"] == "dark")
    said = " ".join(each["text"] for each in await texts_of(ours))
    for part in (SUPPORT.email, SUPPORT.phone, SUPPORT.url):
        assert part is not None
        assert part in said
    await context.close()


_LOOK = """
() => {
  const of = (selector, ...names) => names.map((name) => getComputedStyle(document.querySelector(selector))[name]);
  return {
    ground: getComputedStyle(document.body).backgroundColor,
    body: of("body", "color", "fontFamily", "fontSize", "padding"),
    main: of("main", "backgroundColor", "borderTopColor", "borderRadius", "padding", "maxWidth"),
    h1: of("h1", "fontSize", "lineHeight", "color"),
  };
}
"""


async def test_a_screen_reader_finds_reference_and_contact(broker_url: str, chromium: Chromium) -> None:
    """Each value belongs to its name, mail and phone are links, and the mail has the reference in it already."""
    context = await chromium.new_context(locale="en", java_script_enabled=False)
    page = await context.new_page()
    await page.goto(f"{broker_url}/talkdesk/launch?talkdesk_installation_id=unknown")
    names, values = await page.locator("dt").all_inner_texts(), await page.locator("dd").all_inner_texts()
    known = dict(zip(names, values, strict=True))
    assert list(known) == ["Reference", "E-mail", "Phone", "Help"]
    mail = await page.get_by_role("link", name=SUPPORT.email).get_attribute("href")
    assert mail is not None
    assert known["Reference"] in mail
    assert await page.get_by_role("link", name=SUPPORT.phone).get_attribute("href") == "tel:+351210000000"
    assert await page.get_by_role("link", name=SUPPORT.url).get_attribute("href") == SUPPORT.url
    await context.close()
