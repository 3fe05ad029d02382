"""Pages in a headless Chromium: what they ask for, complain of, link to; how wide they are."""

# pyright: reportMissingImports=false
# Only the real tests install playwright.

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["CHROMIUM", "Tab", "chromium"]

CHROMIUM = "/usr/bin/chromium"

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_TOO_WIDE = """() => {
  const root = document.documentElement, wide = root.clientWidth;
  if (root.scrollWidth <= wide) return [];
  const past = [...document.body.querySelectorAll('*')].filter(
    (element) => element.getBoundingClientRect().right > wide + 1);
  const shown = past.slice(-5).map((element) => element.outerHTML.slice(0, 200));
  return [`${root.scrollWidth} in ${wide}`, ...shown];
}"""
_FAINT = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = numbers(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const ratio = (element) => {
    const [low, high] = [getComputedStyle(element).color, null].map(
      (colour) => light(colour ? numbers(colour) : behind(element))).sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  return [...document.body.querySelectorAll(':not(svg, svg *)')]
    .filter((element) => [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .filter((element) => ratio(element) < 4.5)
    .map((element) => `${ratio(element).toFixed(1)}: ${element.outerHTML.slice(0, 200)}`);
}"""
_UNRENDERED = """() => {
  const article = document.querySelector('article').cloneNode(true);
  article.querySelectorAll('pre, code').forEach((element) => element.remove());
  return article.textContent.match(/```.*|^[|*-] .*|.*\\]\\(.*|--8<--.*/gm) || [];
}"""
_LINKS = "() => [...document.querySelectorAll('a[href]')].map((link) => link.href)"
_NAMES = "() => [...document.querySelectorAll('[id]')].map((place) => place.id)"


@dataclass
class Tab:
    """One page at a time; ``asked`` and ``complaints`` are of all that it has shown.

    Attributes:
        asked: the URLs that were requested, in order.
        complaints: errors and warnings of the console, uncaught errors, and failed requests.
    """

    page: Any
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self.page.on("requestfailed", lambda request: self._complain(f"failed: {request.url}"))
        self.page.on("console", self._hear)
        self.page.on("response", self._receive)

    def open(self, url: str) -> None:
        self.page.goto(url, wait_until="load")

    def show(self, width: int, scheme: str) -> None:
        """As on a screen of that many pixels, for a reader who prefers light or dark."""
        if self.page.viewport_size["width"] != width:
            self.page.set_viewport_size({"width": width, "height": 900})
        self.page.emulate_media(color_scheme=scheme)

    def wait_for(self, condition: str) -> None:
        """Until this expression of JavaScript is true; an error after half a minute."""
        self.page.wait_for_function(condition)

    def too_wide(self) -> list[str]:
        """What makes the page scroll sideways; empty if nothing does."""
        found: list[str] = self.page.evaluate(_TOO_WIDE)
        return found

    def faint(self) -> list[str]:
        """Texts whose contrast is below 4.5, WCAG's AA, with their contrast."""
        found: list[str] = self.page.evaluate(_FAINT)
        return found

    def unrendered(self) -> list[str]:
        """Lines of prose that are still Markdown."""
        found: list[str] = self.page.evaluate(_UNRENDERED)
        return found

    def links(self) -> list[str]:
        found: list[str] = self.page.evaluate(_LINKS)
        return found

    def names(self) -> set[str]:
        """What a fragment can point to."""
        return set(self.page.evaluate(_NAMES))

    def _hear(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self._complain(message.text)

    def _receive(self, response: Any) -> None:
        if response.status >= 400:
            self._complain(f"{response.status}: {response.url}")

    def _complain(self, text: str) -> None:
        self.complaints.append(f"{self.page.url}: {text}")


@contextmanager
def chromium() -> Iterator[Tab]:
    """A browser with a profile of its own, which is gone afterwards."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield Tab(browser.new_page())
        finally:
            browser.close()
