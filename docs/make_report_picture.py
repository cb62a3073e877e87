"""Make docs/report.png, the picture in the README of a report, from the sample releases.

    python docs/make_report_picture.py

Needs the environment of ./check.sh, and Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

PROJECT = Path(__file__).resolve().parent.parent
PICTURE = PROJECT / "docs" / "report.png"
IMAGES = PROJECT / "fixtures" / "images"
SIZE = {"x": 0, "y": 0, "width": 1000, "height": 1240, "scale": 1}


def main() -> None:
    sys.path.insert(0, str(PROJECT))
    import airpatch
    from tests.report.browser import start_browser

    with TemporaryDirectory() as folder:
        base, page = Path(folder) / "r1.tar.zst", Path(folder) / "report.html"
        airpatch.create(IMAGES / "r1", base, sequence=1)
        airpatch.explain(base, IMAGES / "r2", html=page)
        browser = start_browser()
        try:
            screen = {"width": SIZE["width"], "height": SIZE["height"], "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
            browser.get(page.as_uri())
            shot = browser.execute_cdp_cmd("Page.captureScreenshot", {"clip": SIZE, "captureBeyondViewport": True})
        finally:
            browser.quit()
    PICTURE.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    main()
