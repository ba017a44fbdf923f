"""A page in headless Chromium, by the DevTools protocol over a pair of pipes.

Needs the standard library only.
"""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE = 60.0

# Chromium reads commands from file descriptor 3 and answers on 4.
_START = """
import fcntl, os, sys
high = [fcntl.fcntl(int(n), fcntl.F_DUPFD, 50) for n in sys.argv[1:3]]
os.dup2(high[0], 3)
os.dup2(high[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """The program, or None where there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


def require_chromium() -> str:
    """The program; the test is left out, with the reason, where there is none."""
    found = find_chromium()
    if found is None:
        pytest.skip(f"there is no Chromium here ({', '.join(NAMES)}); Debian's package is chromium")
    return found


class Browser:
    """Headless Chromium with one page;
    what the console says and what is asked of the network is kept.

    Attributes
    ----------
    console : list of str
        Messages, errors and exceptions.
    requests : list of str
        Addresses of everything that was requested.
    """

    def __init__(self, program: str):
        self.console: list[str] = []
        self.requests: list[str] = []
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        command = [sys.executable, "-c", _START, str(to_browser), str(from_browser), program]
        command += ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"]
        command += [
            "--disable-background-networking",
            "--remote-debugging-pipe",
            f"--user-data-dir={self._folder.name}",
        ]
        self._process = subprocess.Popen(
            command, pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_browser)
        os.close(from_browser)
        self._answers: dict[int, dict[str, Any]] = {}
        self._events: set[str] = set()
        self._news = threading.Condition()
        self._ended = False
        self._number = 0
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()
        self._session: str | None = None
        try:
            self._attach()
        except BaseException:
            self.close()
            raise

    def _attach(self) -> None:
        target = self.ask("Target.createTarget", session=None, url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", session=None, targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the program."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        self._reader.join(20)
        self._folder.cleanup()

    def ask(self, method: str, session: str | None = "", **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        with self._news:
            answered = self._news.wait_for(lambda: number in self._answers or self._ended, _PATIENCE)
            assert answered, f"the browser does not answer {method}"
            assert number in self._answers, "the browser ended"
            answer = self._answers.pop(number)
        assert "error" not in answer, f"{method}: {answer.get('error')}"
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, path: Path) -> None:
        """Load a file and wait until it is loaded."""
        self._events.discard("Page.loadEventFired")
        self.ask("Page.navigate", url=path.resolve().as_uri())
        with self._news:
            assert self._news.wait_for(lambda: "Page.loadEventFired" in self._events, _PATIENCE), (
                "the page does not load"
            )
        time.sleep(0.2)  # what a page might do late

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript in the page."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def show(self, scheme: str, width: int = 1100, height: int = 900) -> None:
        """Take a light or dark scheme and a width."""
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def screenshot(self, path: Path) -> None:
        """Draw the whole page into a file."""
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _listen(self) -> None:
        rest = b""
        with os.fdopen(self._read, "rb", buffering=0) as source:
            while piece := source.read(1 << 16):
                *messages, rest = (rest + piece).split(b"\0")
                for message in messages:
                    self._take(json.loads(message))
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        with self._news:
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                method, parameters = message["method"], message.get("params", {})
                self._events.add(method)
                if method == "Runtime.consoleAPICalled":
                    self.console.append(str(parameters["args"]))
                elif method == "Runtime.exceptionThrown":
                    self.console.append(str(parameters["exceptionDetails"]))
                elif method == "Log.entryAdded":
                    self.console.append(str(parameters["entry"]["text"]))
                elif method == "Network.requestWillBeSent":
                    self.requests.append(str(parameters["request"]["url"]))
            self._news.notify_all()
