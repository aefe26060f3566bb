"""A real Chromium clicks the icon in Talkdesk and is in the app: over https, every part on another site."""

from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import expect

from demo.talkdesk import ACME, ANA, BRUNO
from tests.acceptance.browser_world import Desk, open_sites
from tests.waiting import eventually
from tests.world import MOST_REDIRECTS, users_of


async def test_one_click_opens_the_app_and_a_sign_out_closes_it_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Install on Talkdesk's page; three launches at once; click, be in; the second app silently; another person; sign out."""
    async with open_sites(tmp_path, monkeypatch) as (world, chromium):
        desk = await Desk.open(world, chromium)
        await desk.sign_in(ANA.name)
        for app in (world.wallboard, world.notes):
            row = desk.talkdesk.locator(f'tr[data-installation="{ACME.slug}/{app.name}"]')
            await row.get_by_role("button", name="Install", exact=True).click()
            await eventually(partial(world.is_approved, app), what=f"{app.name} is approved", seconds=60)
        await desk.talkdesk.reload()

        apps = [world.wallboard, world.notes, world.wallboard]
        for tab, app in zip(await desk.launch_at_once(apps, ANA), apps, strict=True):
            await tab.wait_for_url(f"{app.url}/")
            await tab.close()

        wallboard = await desk.click_icon(world.wallboard)
        await expect(wallboard.tab.locator("body")).to_contain_text(ANA.name)
        notes = await desk.click_icon(world.notes)
        await expect(notes.tab.locator("body")).to_contain_text(ANA.name)

        await desk.sign_in(BRUNO.name)
        brunos = await desk.click_icon(world.wallboard)
        await expect(brunos.tab.locator("body")).to_contain_text(BRUNO.name)
        await eventually(lambda: users_of(world.wallboard) == [BRUNO.id], what="only Bruno is in Wallboard")
        await eventually(lambda: not users_of(world.notes), what="Ana is out of Notes")

        await desk.sign_out()
        await world.signed_out(world.wallboard, world.notes)
        await brunos.tab.reload()
        await expect(brunos.tab.locator("body")).not_to_contain_text(BRUNO.name)
        for opened in (wallboard, notes, brunos):
            assert 0 < max(opened.chains) <= MOST_REDIRECTS
