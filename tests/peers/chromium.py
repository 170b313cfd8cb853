"""A headless Chromium with a new profile, led over WebDriver; what it shows is asked of it, not of the HTML."""

import shutil
import tempfile
from asyncio import to_thread
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.wait import WebDriverWait

PROGRAMS = ("/usr/bin/chromium", "/usr/bin/chromedriver")
PATIENCE = 30.0
ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


def missing() -> str:
    absent = [program for program in PROGRAMS if not Path(program).exists()]
    return (
        f"needs {', '.join(absent)}: apt-get install --no-remove chromium chromium-driver" if absent else ""
    )


@dataclass(frozen=True)
class Screen:
    """In CSS pixels. `touch`: a phone, which obeys the page's viewport and zooms out from what has none."""

    name: str
    width: int
    height: int
    touch: bool


PHONE = Screen("phone", 360, 740, True)
DESKTOP = Screen("desktop", 1280, 800, False)


class Browser:
    """One window. Its methods are called from the event loop in which the page's server runs."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    async def show(self, url: str, screen: Screen) -> None:
        def work() -> None:
            self._driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {
                    "width": screen.width,
                    "height": screen.height,
                    "deviceScaleFactor": 2 if screen.touch else 1,
                    "mobile": screen.touch,
                },
            )
            self._driver.get(url)

        await to_thread(work)

    async def scheme(self, name: Literal["light", "dark"]) -> None:
        """What the person prefers (prefers-color-scheme), from the next page on."""
        wanted = {"features": [{"name": "prefers-color-scheme", "value": name}]}
        await to_thread(self._driver.execute_cdp_cmd, "Emulation.setEmulatedMedia", wanted)

    async def seen(self, selector: str = "body") -> list[str]:
        """The text of the visible elements, as it is shown."""
        return await to_thread(lambda: [each.text for each in self._found(selector) if each.is_displayed()])

    async def in_frame(self, number: int, selector: str = "body") -> list[str]:
        """As `seen`, within the page's frame of that number, from 0."""

        def work() -> list[str]:
            self._driver.switch_to.frame(self._found("iframe")[number])
            try:
                return [each.text for each in self._found(selector)]
            finally:
                self._driver.switch_to.default_content()

        return await to_thread(work)

    async def click_in_frame(self, number: int, selector: str) -> None:
        """A click on something within a frame; where it leads is not waited for."""

        def work() -> None:
            self._driver.switch_to.frame(self._found("iframe")[number])
            try:
                self._found(selector)[0].click()
            finally:
                self._driver.switch_to.default_content()

        await to_thread(work)

    async def ask(self, script: str) -> Any:
        """What `script` returns in the page, which itself may run none."""
        return await to_thread(self._driver.execute_script, script)

    async def follow(self, selector: str) -> None:
        """Click a link or a button, and wait until the page that it leads to is there."""

        def work() -> None:
            (before,) = self._found("html")
            self._found(selector)[0].click()
            WebDriverWait(self._driver, PATIENCE).until(staleness_of(before))
            WebDriverWait(self._driver, PATIENCE).until(lambda _: self._found("footer"))

        await to_thread(work)

    async def type(self, selector: str, text: str) -> None:
        await to_thread(lambda: self._found(selector)[0].send_keys(text))

    async def complaints(self) -> list[str]:
        """What the console has said since it was asked last: blocked scripts and styles, failed loads."""

        def work() -> list[str]:
            log: list[dict[str, str]] = self._driver.get_log("browser")  # type: ignore[no-untyped-call]
            return [entry["message"] for entry in log]

        return await to_thread(work)

    async def picture(self, file: Path) -> None:
        """The whole page as a PNG."""

        def work() -> None:
            how = {"captureBeyondViewport": True}
            taken = self._driver.execute_cdp_cmd("Page.captureScreenshot", how)
            file.write_bytes(b64decode(taken["data"]))

        await to_thread(work)

    def _found(self, selector: str) -> list[WebElement]:
        return self._driver.find_elements("css selector", selector)


@contextmanager
def browser() -> Iterator[Browser]:
    profile = tempfile.mkdtemp()
    options = webdriver.ChromeOptions()
    options.binary_location = PROGRAMS[0]
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    driver = webdriver.Chrome(options, Service(PROGRAMS[1]))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)
