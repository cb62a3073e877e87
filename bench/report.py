"""A report of 10,000 files in headless chromium: how long it takes to open.

`python -m bench.report [PAGE]` opens PAGE, or a made-up page, nine times; needs the environment of ./check.sh, and
Debian's chromium and chromium-driver.
"""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from selenium.webdriver import Chrome

from airpatch.report.html_page import PageKind, html_page
from bench.run import scratch
from tests.report.browser import asked_for, start_browser
from tests.report.sample_report import sample_report

_OPENED = """
const [page] = performance.getEntriesByType('navigation');
return [page.loadEventEnd - page.startTime, document.querySelectorAll('*').length];
"""


def main() -> None:
    with scratch() as place:
        page = place / "page.html"
        page.write_bytes(
            Path(sys.argv[1]).read_bytes()
            if sys.argv[1:]
            else html_page(PageKind.PATCH, "Patch from r1 to r2", {"report": sample_report()})
        )
        browser = start_browser()
        try:
            times, works = [], []
            browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
            for _ in range(9):
                browser.get(page.as_uri())
                took, elements = browser.execute_script(_OPENED)
                times.append(took)
                works.append(_work(browser))
            print(f"  {page.stat().st_size:,} bytes, {elements:,} elements")
            print(f"  opened in {statistics.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f})")
            print(f"  processor time of the page: {statistics.median(works):.0f} ms")
            said = len(browser.get_log("browser"))
            print(f"  addresses asked for: {len(asked_for(browser))}, messages on the console: {said}")
        finally:
            browser.quit()


def _work(browser: Chrome) -> float:
    """Return the processor time that the tasks of the page that is open have taken, in milliseconds."""
    metrics = browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return next(1000 * float(each["value"]) for each in metrics if each["name"] == "TaskDuration")


if __name__ == "__main__":
    main()
