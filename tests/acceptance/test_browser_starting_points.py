"""Starting points that only a real browser has: history, frames, no scripts, Keycloak's page that goes on by itself."""

from pathlib import Path

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from demo.talkdesk import ACME, ANA, Installation
from tests.acceptance.browser_world import Desk, open_sites
from tests.world import World


async def test_back_frames_no_scripts_and_the_morning_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The right person each time; in a frame, a link that leads out of it."""
    async with open_sites(tmp_path, monkeypatch) as (world, chromium):
        installation = await world.install(ACME)
        desk = await Desk.open(world, chromium)
        await desk.sign_in(ANA.name)
        await a_frame_is_left_by_its_link(world, desk, installation)
        await back_and_forward_meet_no_error(world, desk, installation)
        await the_morning_after_needs_no_click(world, desk)
        await without_scripts_it_works_the_same(world, chromium)


async def a_frame_is_left_by_its_link(world: World, desk: Desk, installation: Installation) -> None:
    """The page shows inside another one, since nobody would see it otherwise; its link opens the app in a tab."""
    outside = await desk.context.new_page()
    url = world.talkdesk.launch_url(installation, ANA).replace("&", "&amp;")
    await outside.set_content(f'<iframe src="{url}" width="600" height="600"></iframe>')
    link = outside.frame_locator("iframe").get_by_role("link", name="Open in a new tab")
    async with desk.context.expect_page() as opening:
        await link.click()
    tab = await opening.value
    await tab.wait_for_url(f"{world.wallboard.url}/")
    await expect(tab.locator("body")).to_contain_text(ANA.name)


async def back_and_forward_meet_no_error(world: World, desk: Desk, installation: Installation) -> None:
    """Nothing of ours stays in the history: back is where the click was, forward is the app."""
    tab = await desk.context.new_page()
    home = world.talkdesk.state.addresses.page
    await tab.goto(home)
    await tab.evaluate("url => { location.href = url; }", world.talkdesk.launch_url(installation, ANA))
    await tab.wait_for_url(f"{world.wallboard.url}/")
    await tab.go_back()
    assert tab.url.rstrip("/") == home.rstrip("/")
    await tab.go_forward()
    assert tab.url == f"{world.wallboard.url}/"
    await expect(tab.locator("body")).to_contain_text(ANA.name)


async def the_morning_after_needs_no_click(world: World, desk: Desk) -> None:
    """A bookmark of the app, no session anywhere: Keycloak's page goes on to the broker, as the realm file says."""
    await world.realm.expire_sessions()
    tab = await desk.context.new_page()
    await tab.goto(world.wallboard.start_url)
    await tab.wait_for_url(f"{world.wallboard.url}/")
    await expect(tab.locator("body")).to_contain_text(ANA.name)


async def without_scripts_it_works_the_same(world: World, chromium: Chromium) -> None:
    """A browser with scripts switched off: one click on the icon."""
    context = await chromium.new_context(java_script_enabled=False)
    page = await context.new_page()
    await page.goto(world.talkdesk.state.addresses.page)
    desk = Desk(world, context, page)
    await desk.sign_in(ANA.name)
    opened = await desk.click_icon(world.wallboard)
    await expect(opened.tab.locator("body")).to_contain_text(ANA.name)
