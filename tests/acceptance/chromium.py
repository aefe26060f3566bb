"""What a real Chromium shows of a page: measured, not guessed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from tests.acceptance.browser_world import CHROMIUM, FLAGS

LEAST_CONTRAST = 4.5
"""Of text on what is behind it (WCAG 2.2, 1.4.3 level AA)."""

_TEXTS = """
() => {
  const channels = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const { rgb, a } = channels(getComputedStyle(e).backgroundColor);
      if (a === 1) return rgb;
    }
    throw new Error("nothing opaque is behind it");
  };
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const texts = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (!own || !element.checkVisibility() || ["SCRIPT", "STYLE", "NOSCRIPT"].includes(element.tagName)) continue;
    const [a, b] = [luminance(channels(getComputedStyle(element).color).rgb), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    texts.push({ tag: element.tagName, text: element.textContent.trim().slice(0, 60), ratio });
  }
  return texts;
}
"""


@asynccontextmanager
async def open_chromium() -> AsyncIterator[Browser]:
    """A Chromium for pages on loopback."""
    assert CHROMIUM, "no Chromium on the PATH (Debian: apt install chromium)"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()


async def texts_of(page: Page) -> list[dict[str, Any]]:
    """Every text that is seen, with its contrast."""
    texts: list[dict[str, Any]] = await page.evaluate(_TEXTS)
    return texts


async def assert_is_accessible(page: Page, language: str) -> None:
    """Language, title, one heading, landmarks, contrast; nothing to scroll sideways for; every control has a name and is big enough to hit."""
    assert await page.locator("html").get_attribute("lang") == language
    headings = await page.locator("h1").all_inner_texts()
    assert len(headings) == 1
    assert (await page.title()).strip() == headings[0].strip() != ""
    assert await page.locator("main").count() == 1
    texts = await texts_of(page)
    assert len(texts) > 3
    assert [each for each in texts if each["ratio"] < LEAST_CONTRAST] == []
    width, seen = await page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width <= seen
    assert [name for name in await page.get_by_role("link").all_inner_texts() if not name.strip()] == []
    for button in await page.locator(".button").all():
        box = await button.bounding_box()
        assert box is not None
        assert min(box["height"], box["width"]) >= 24, "WCAG 2.2, 2.5.8"
