"""The site and the pages of reports in a real browser: on a phone and on a desk, light and dark."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pyarrow.compute as pc
import pytest
from datasets import Dataset, DatasetDict

from demo.flights import flights
from demo.stage import schema_document
from llm_integrations.core.registry import Registry, connect
from llm_integrations.datasets import detect_drift, save_baseline, validate_dataset
from tests.support.browser import CHROMIUM, Tab, chromium
from tests.support.needs import needs

ROOT = Path(__file__).parents[2]
PHONE, DESK = 400, 1400  # pixels
LOOKS = [(PHONE, "light"), (DESK, "light"), (DESK, "dark"), (PHONE, "dark")]
THEMES = {"light": "default", "dark": "slate"}

pytestmark = [
    pytest.mark.real,
    needs("install-browser", "playwright", "material", "mkdocstrings", programs=(CHROMIUM,)),
    pytest.mark.timeout(900),
]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tab() -> Iterator[Tab]:
    with chromium() as tab:
        yield tab


def test_the_site_has_no_broken_link_and_no_error_and_fits_each_screen(
    site: Path, address: str, tab: Tab
) -> None:
    pages = sorted(address + path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    names: dict[str, set[str]] = {}
    links: set[tuple[str, str]] = set()
    faults: list[str] = []
    for number, url in enumerate(pages):
        looks = LOOKS[::-1] if number % 2 else LOOKS  # a page is opened as the last one was left
        tab.show(*looks[0])
        tab.open(url)
        for look in looks:
            tab.show(*look)
            tab.wait_for(f"document.body.dataset.mdColorScheme === '{THEMES[look[1]]}'")
            faults += [f"{url} at {look}: {fault}" for fault in tab.too_wide()]
        faults += [f"{url} shows Markdown: {text}" for text in tab.unrendered()]
        names[url] = tab.names()
        links |= {(url, link) for link in tab.links()}
    assert faults == []
    assert tab.complaints == []
    assert [url for url in tab.asked if not url.startswith(address)] == []
    assert broken(links, names, site, address) == []


def broken(
    links: set[tuple[str, str]], names: dict[str, set[str]], site: Path, address: str
) -> list[tuple[str, str]]:
    """Links within the site that lead to no file, or to no place of a page; each with its page."""
    lost = []
    for page, link in sorted(links):
        if not link.startswith(address):
            continue
        url, fragment = urldefrag(link)
        target = url + "index.html" if url.endswith("/") else url
        known = names.get(target)
        if known is None and (site / unquote(target.removeprefix(address))).is_file():
            continue
        if known is None or (fragment and unquote(fragment) not in known):
            lost.append((page, link))
    return lost


def test_search_finds_a_page_and_leads_to_it(address: str, tab: Tab) -> None:
    tab.show(DESK, "light")
    tab.open(address)
    tab.page.fill("input[name=query]", "quarantine")
    tab.page.click(".md-search-result__link[href*='h=quarantin'] >> nth=0")
    tab.wait_for("document.querySelector('mark') !== null")
    assert "quarantine" in tab.page.inner_text("main").lower()
    assert tab.complaints == []


@pytest.fixture
def registry() -> Iterator[Registry]:
    with connect("memory://") as client:
        client.register("flight", schema_document("flight-1"))
        yield client


def months(*chosen: int) -> Dataset:
    return Dataset(flights().filter(pc.field("month").isin(chosen)))


def test_the_page_of_a_run_reads_well_and_loads_nothing(
    registry: Registry, tab: Tab, tmp_path: Path
) -> None:
    splits = DatasetDict({"winter": months(1, 2), "a-name-" + "that-has-no-end-" * 12: months(6)})
    result = validate_dataset(splits, "flight@1", registry=registry, quarantine=tmp_path / "bad")
    assert result.report.invalid > 0
    page = tmp_path / "run.html"
    page.write_text(result.report.to_html(show_values=True), encoding="utf-8")
    reads_well(page, tab, unfold="details")


def test_the_page_of_drift_reads_well_and_loads_nothing(
    registry: Registry, tab: Tab, tmp_path: Path
) -> None:
    baseline = tmp_path / "baseline.json"
    save_baseline(months(1, 2), "flight@1", registry=registry, path=baseline)
    drift = detect_drift(months(6, 7), "flight@1", baseline=baseline, registry=registry)
    assert drift.drifted
    reads_well(drift.write(tmp_path)["html"], tab)


def reads_well(page: Path, tab: Tab, unfold: str = "") -> None:
    tab.open(page.as_uri())
    if unfold:
        tab.page.evaluate(f"document.querySelectorAll('{unfold}').forEach((it) => it.open = true)")
    for width, scheme in LOOKS:
        tab.show(width, scheme)
        assert tab.too_wide() == []
        assert tab.faint() == []
    assert tab.complaints == []
    assert tab.asked == [page.as_uri()]
