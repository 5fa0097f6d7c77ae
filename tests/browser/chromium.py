"""A headless Chromium, driven over the DevTools protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars", "--remote-debugging-port=0",
)  # fmt: skip
REMEDY = "no Chromium here: install it (Debian: apt-get install chromium), then make test-browser"
_SECONDS = 60.0
_MAX_MESSAGE = 256 << 20


class NoBrowser(AssertionError):
    """These tests need Chromium, and say so instead of being skipped."""


@dataclass
class Page:
    """One tab; ``requests`` and ``complaints`` are all that it has asked for and said."""

    link: ClientConnection
    session: str = ""
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    _events: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command and its result; events that come before it are noted."""
        number = next(self._numbers)
        said = {"id": number, "method": method, "params": parameters}
        if self.session:
            said["sessionId"] = self.session
        self.link.send(json.dumps(said))
        while (message := json.loads(self.link.recv(_SECONDS))).get("id") != number:
            self._note(message)
        assert "error" not in message, f"{method}: {message['error']}"
        return message["result"]

    def _note(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        method, said = event.get("method"), event.get("params", {})
        if method == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(str(said["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(str(said["args"]))
        elif method == "Log.entryAdded":
            self.complaints.append(said["entry"]["text"])

    def open(self, path: Path, width: int) -> None:
        """Show a file at a width of so many px, and wait until it is loaded."""
        self.requests.clear()
        self.complaints.clear()
        self._events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=900, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self.call("Page.navigate", url=path.resolve().as_uri())
        until = time.monotonic() + _SECONDS
        while not any(e.get("method") == "Page.loadEventFired" for e in self._events):
            assert time.monotonic() < until, "the page does not load"
            self._note(json.loads(self.link.recv(_SECONDS)))

    def ask(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def media(self, kind: str) -> None:
        """Lay the page out for "screen" or "print"."""
        self.call("Emulation.setEmulatedMedia", media=kind)

    def pdf(self) -> bytes:
        """The page as printed, on the paper that its style sheet asks for."""
        found = self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(found["data"])

    def picture(self) -> bytes:
        """The whole page as PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(found["data"])


@contextmanager
def chromium(profile: Path) -> Iterator[Page]:
    """A browser with a fresh profile, and one empty page; raises NoBrowser if there is none."""
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        raise NoBrowser(REMEDY)
    command = [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with connect(_endpoint(profile, process), max_size=_MAX_MESSAGE, proxy=None) as link:
            page = Page(link)
            target = page.call("Target.createTarget", url="about:blank")["targetId"]
            attached = page.call("Target.attachToTarget", targetId=target, flatten=True)
            page.session = attached["sessionId"]
            for domain in ("Page", "Runtime", "Network", "Log"):
                page.call(f"{domain}.enable")
            yield page
    finally:
        process.terminate()
        process.wait(20)


def _endpoint(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the browser listens, which it writes into its profile."""
    told, until = profile / "DevToolsActivePort", time.monotonic() + _SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "Chromium ended at once"
        lines = told.read_text().splitlines() if told.exists() else []
        if len(lines) >= 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise NoBrowser("Chromium does not start within a minute")
