"""The built site in Chromium, from the file system: console, requests, width, accessibility.

Needs ``make site``, Chromium, ``pip install playwright`` and, for axe-core,
``npm install --prefix build axe-core``; what is absent is named as the reason of a skip.
"""

import os
import shutil
from pathlib import Path

import pytest

SITE = Path(__file__).resolve().parents[2] / "build" / "site"
AXE = Path(os.environ.get("AXE", SITE.parent / "node_modules/axe-core/axe.min.js"))
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html")
               if "_static" not in path.parts) if SITE.is_dir() else []
JUDGED = ["index.html", "docs/replicates.html", "README.html", "notebooks/GLOSSARY.html",
          "notebooks/COURSE.html", "notebooks/01_localize_selective_units.html",
          "notebooks/11_find_shared_concepts.html", "api/helpers/selectivity/statistics/index.html"]
WIDTHS = (390, 1280)

pytestmark = [pytest.mark.exhaustive,
              pytest.mark.skipif(not PAGES, reason="no build/site: make site"),
              pytest.mark.skipif(not CHROMIUM, reason="no Chromium")]


@pytest.fixture(scope="module")
def browser():
    """Return Chromium, started once."""
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """Return an empty page of a browser that notes what goes wrong in ``page.problems``."""
    page = browser.new_page()
    page.problems = []
    page.on("console", lambda message: message.type in ("error", "warning")
            and page.problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: page.problems.append(f"script: {error}"))
    page.on("request", lambda request: request.url.startswith(("file:", "data:", "blob:"))
            or page.problems.append(f"outside: {request.url}"))
    page.on("requestfailed", lambda request: page.problems.append(f"failed: {request.url}"))
    yield page
    page.close()


def test_no_page_has_a_console_error_or_asks_for_another_host(page):
    for name in PAGES:
        page.goto((SITE / name).as_uri())
        assert not page.problems, f"{name}: {page.problems}"
        broken = page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth)"
                               ".map(i => i.src)")
        assert not broken, f"{name}: {broken}"


@pytest.mark.parametrize("width", WIDTHS)
def test_no_page_is_wider_than_the_screen(page, width):
    page.set_viewport_size({"width": width, "height": 900})
    for name in JUDGED:
        page.goto((SITE / name).as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_search_finds_a_term_without_a_server(page):
    page.goto((SITE / "search.html").as_uri() + "?q=localizer")
    page.wait_for_selector("#search-results li a", timeout=60_000)
    assert not page.problems


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", JUDGED)
def test_axe_finds_nothing_serious(page, name, theme):
    if not AXE.is_file():
        pytest.skip("no axe-core: npm install --prefix build axe-core")
    page.emulate_media(color_scheme=theme)
    page.goto((SITE / name).as_uri())
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run().then(result => result.violations)")
    assert not [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]
                if one["impact"] in ("serious", "critical")]
