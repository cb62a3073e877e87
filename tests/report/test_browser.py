"""A real browser goes through the pages: by mouse and keyboard, without a request, without an error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from airpatch.report.html_page import PageKind, html_page
from tests.report.browser import CHROMIUM, DRIVER, asked_for, start_browser
from tests.report.sample_report import FILES, HOSTILE, sample_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver"),
]


def line() -> dict[str, Any]:
    releases = [{"product": "shop", "name": f"r{n}", "id": f"sha256:{n:064}", "sequence": n} for n in (1, 2, 3)]
    pairs = [
        {
            "product": "shop", "from": f"r{a}", "from_id": f"sha256:{a:064}", "to": f"r{b}", "to_id": f"sha256:{b:064}",
            "layers": 3, "missing": 1, "bytes": size, "whole_bytes": 10 * size,
        }
        for a, b, size in ((1, 2, 1000), (2, 3, 2000), (1, 3, 9000))
    ]  # fmt: skip
    way = {
        "product": "shop",
        "releases": ["r1", "r2", "r3"],
        "ids": [each["id"] for each in releases],
        "bytes": 3000,
        "missing": 2,
    }
    site = {
        "inventory": "oslo.inventory",
        "product": "shop",
        "has": "r1",
        "has_id": releases[0]["id"],
        "chain": way,
        "remark": None,
    }
    other = {**site, "inventory": HOSTILE, "has": None, "has_id": None, "chain": None, "remark": "has no release"}
    return {
        "tasks": 2, "missing": 3, "known": 4, "releases": releases, "pairs": pairs, "chains": [way],
        "sites": [site, {**site, "inventory": "riga.inventory", "remark": "may need more"}, other],
    }  # fmt: skip


@pytest.fixture(scope="module")
def started() -> Iterator[Chrome]:
    browser = start_browser()
    yield browser
    browser.quit()


@pytest.fixture
def browser(started: Chrome) -> Iterator[Chrome]:
    """Afterwards nothing was said on the console, and nothing was asked for but the page."""
    asked_for(started)
    yield started
    assert started.get_log("browser") == []
    assert asked_for(started) == {started.current_url.split("#")[0]}


def show(browser: Chrome, folder: Path, kind: PageKind, data: dict[str, Any]) -> None:
    page = folder / "page.html"
    page.write_bytes(html_page(kind, f"Patch {HOSTILE}", data))
    browser.get(page.as_uri())


def tiles(browser: Chrome) -> list[str]:
    return [str(tile.get_attribute("aria-label")) for tile in browser.find_elements(By.CSS_SELECTOR, "#map .tile")]


def rows(browser: Chrome) -> list[list[str]]:
    script = "return [...document.querySelectorAll('#parts tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    found: list[list[str]] = browser.execute_script(script)
    return found


def until_inside(browser: Chrome, name: str) -> None:
    def is_there(_: Chrome) -> bool:
        return browser.find_element(By.CSS_SELECTOR, "[aria-current=location]").text == name

    WebDriverWait(browser, 60, ignored_exceptions=[StaleElementReferenceException]).until(is_there)


def test_into_the_files_of_a_layer_and_back(browser: Chrome, tmp_path: Path) -> None:
    data = sample_report()
    show(browser, tmp_path, PageKind.PATCH, {"report": data})
    text = browser.find_element(By.TAG_NAME, "main").text
    assert f"The patch has {data['size_bytes']:,} bytes" in text
    assert f"the parts add up to {data['size_bytes']:,}, 100.0 %" in text
    assert [row[0] for row in rows(browser)] == ["shop/web:r2", "shop/api:r2", "index"]
    assert [label.split(",")[0] for label in tiles(browser)] == ["shop/web:r2", "shop/api:r2", "index"]

    browser.find_element(By.CSS_SELECTOR, "#map .tile").click()
    until_inside(browser, "shop/web:r2")
    first = browser.find_element(By.CSS_SELECTOR, "#map .tile")
    first.send_keys(Keys.ENTER)
    until_inside(browser, "layer 1 of 1, 0123456789ab")
    assert [row[0] for row in rows(browser)] == ["usr/lib", HOSTILE]
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert str(browser.switch_to.active_element.get_attribute("aria-label")).startswith(HOSTILE)
    browser.switch_to.active_element.send_keys(Keys.HOME, Keys.ENTER)
    until_inside(browser, "usr/lib")
    assert len(rows(browser)) == 100
    browser.find_element(By.CSS_SELECTOR, "#parts .scroll > button").click()
    assert len(rows(browser)) == FILES
    assert any("9,850 smaller parts" in label for label in tiles(browser))
    browser.find_element(By.CSS_SELECTOR, "#map .tile").send_keys(Keys.ESCAPE)
    until_inside(browser, "layer 1 of 1, 0123456789ab")
    browser.back()
    until_inside(browser, "usr/lib")
    browser.find_element(By.CSS_SELECTOR, "#path button").click()
    until_inside(browser, "r2")


def test_the_table_has_the_parts_of_the_map(browser: Chrome, tmp_path: Path) -> None:
    show(browser, tmp_path, PageKind.PATCH, {"report": sample_report()})
    browser.find_element(By.CSS_SELECTOR, "#parts tbody button").click()
    until_inside(browser, "shop/web:r2")
    assert [label.split(", ")[0] for label in tiles(browser)] == [row[0].split(", ")[0] for row in rows(browser)]
    (caption,) = browser.find_elements(By.CSS_SELECTOR, "#parts caption")
    assert caption.text.startswith("shop/web:r2: 1 part, ")


def test_changes_and_layers_are_tables(browser: Chrome, tmp_path: Path) -> None:
    show(browser, tmp_path, PageKind.PATCH, {"report": sample_report()})
    browser.find_element(By.TAG_NAME, "summary").click()
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "1 new, 10,000 changed, 0 removed files; 1 package changed" in text
    assert "these are gone: shop/old:r1" in text
    assert "gzip, encoder unknown" in text
    assert text.count(HOSTILE) == 4  # the title, a cause, a package, a file
    assert browser.find_elements(By.TAG_NAME, "img") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", PageKind)
def test_on_a_phone_nothing_is_wider_than_the_screen(
    browser: Chrome, kind: PageKind, scheme: str, tmp_path: Path
) -> None:
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        show(browser, tmp_path, kind, {"report": sample_report()} if kind is PageKind.PATCH else line())
        assert browser.execute_script("return document.documentElement.scrollWidth") == 360
        color = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert color == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}[scheme]
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_ways_between_releases(browser: Chrome, tmp_path: Path) -> None:
    show(browser, tmp_path, PageKind.LINE, line())
    edges = browser.find_elements(By.CSS_SELECTOR, "path.edge")
    assert [edge.get_attribute("aria-label") for edge in edges] == [
        "from r1 to r2, 1.0\u00a0kB", "from r2 to r3, 2.0\u00a0kB", "from r1 to r3, 9.0\u00a0kB"
    ]  # fmt: skip
    browser.find_element(By.CSS_SELECTOR, "tbody button").send_keys(Keys.ENTER)
    assert ["chosen" in str(edge.get_attribute("class")) for edge in edges] == [True, True, False]
    assert "r1 \u2192 r2 \u2192 r3, about 3.0 kB" in browser.find_element(By.ID, "said").text


def test_what_to_send_to_each_site(browser: Chrome, tmp_path: Path) -> None:
    show(browser, tmp_path, PageKind.LINE, line())
    assert [each.text for each in browser.find_elements(By.CSS_SELECTOR, "svg .sites")] == ["2 sites"]
    found = browser.find_elements(By.CSS_SELECTOR, "section[aria-labelledby=sites] tbody tr")
    assert [each.text for each in found] == [
        "oslo.inventory shop r1 r1 \u2192 r2 \u2192 r3 about 3.0 kB",
        "riga.inventory shop r1\nr1 \u2192 r2 \u2192 r3\nmay need more\nabout 3.0 kB",
        f"{HOSTILE} shop \u2013 has no release \u2013",
    ]  # fmt: skip
    found[0].find_element(By.TAG_NAME, "button").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, ".edge.chosen")) == 2
