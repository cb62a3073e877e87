"""A headless chromium that remembers what it asked for."""

from __future__ import annotations

import json
import shutil

from selenium.webdriver import Chrome
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


def start_browser() -> Chrome:
    """Start Debian's chromium; `--no-sandbox`, since root may run it."""
    options = Options()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(options, Service(str(DRIVER)))


def asked_for(browser: Chrome) -> set[str]:
    """What has been asked for since this was called last, as addresses without their ends behind `#`."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    return {url.split("#")[0] for url in asked}
