"""The page in a real Chromium, which is told what to do through its own protocol."""

import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running_inbox import RunningInbox, alert, notification, wait_until
from test_firing import GIVEN, RunningAlertmanager, alertmanager, has_engine, watching  # noqa: F401 - fixtures

from alert_inbox.language import CHINESE, ENGLISH

websocket = pytest.importorskip("websocket")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(not (CHROMIUM and (GIVEN or has_engine())), reason="no Chromium, or no Docker engine")


class Browser:
    """One headless Chromium in Shanghai's time zone, with one page."""

    def __init__(self, folder: Path) -> None:
        command = [str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        command += [f"--user-data-dir={folder}", "--remote-debugging-port=0", "--remote-allow-origins=*", "about:blank"]
        self._log = folder.with_suffix(".log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        found = wait_until(
            lambda: re.search(r"DevTools listening on ws://([\d.:]+)/", self._log.read_text()), "Chromium listens", 60
        )
        with urllib.request.urlopen(f"http://{found[1]}/json/list", timeout=20) as answer:
            (address,) = [one["webSocketDebuggerUrl"] for one in json.load(answer) if one["type"] == "page"]
        self._socket = websocket.create_connection(address, timeout=60)
        self._last = 0
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setTimezoneOverride", timezoneId="Asia/Shanghai")

    def call(self, method: str, **parameters: Any) -> Any:
        """Return the result of a command; what the page complains of meanwhile is kept."""
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while (answer := json.loads(self._socket.recv())).get("id") != self._last:
            if answer["method"] in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.complaints.append(json.dumps(answer["params"]))
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, url: str, language: str, width: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 500
        )
        self.call("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
        self.script("window.left = true")
        self.call("Page.navigate", url=url)
        self.wait(
            "document.readyState === 'complete' && document.querySelector('#zone').textContent.includes('Shanghai')"
        )

    def script(self, expression: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        wait_until(lambda: self.script(expression), expression, 40)

    def close(self) -> None:
        self._socket.close()
        self._process.kill()
        self._process.wait()


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    running = Browser(tmp_path / "chromium")
    yield running
    running.close()


def test_the_page_lives_and_filters_and_fits_a_phone_in_both_languages(
    browser: Browser,
    watching: RunningInbox,  # noqa: F811
    alertmanager: RunningAlertmanager,  # noqa: F811
) -> None:
    url = f"http://127.0.0.1:{watching.port}/"
    watching.post(notification(alert("First", annotations={"summary": "x" * 300, "description": "y" * 300})))
    alertmanager.fire("Fires", 300, "critical", task_type="qa", owner="z" * 100)
    wait_until(lambda: watching.get("/api/firing").json()["alerts"], "it is seen")
    for words in (ENGLISH, CHINESE):
        browser.open(url, words.tag, 390)
        assert browser.script("document.documentElement.lang") == words.tag
        assert browser.script("document.documentElement.scrollWidth") == 390
        assert words.now in browser.script("document.body.innerText")
    # Live, without a reload: what fires, what is new, and what the reader has unfolded.
    browser.script("window.reader = 'here'; document.querySelector('#now details').open = true")
    alertmanager.fire("Joins", 300)
    watching.post(notification(alert("Second")))
    browser.wait("/Joins/.test(document.querySelector('#now').innerText)")
    browser.wait("document.querySelectorAll('#notifications > li').length === 2")
    assert browser.script("document.querySelector('#now details').open") is True
    assert browser.script("window.reader") == "here"
    # The form takes the reader's own time, and the address has UTC.
    browser.open(url, "en", 1000)
    browser.script(
        "document.querySelector('[name=severity]').value = 'critical';"
        "document.querySelector('[name=from]').value = '2026-03-04T13:06';"
        "document.querySelector('form button').click()"
    )
    browser.wait("location.search === '?severity=critical&from=2026-03-04T05%3A06'")
    browser.wait("/Shanghai/.test(document.querySelector('#zone')?.textContent)")
    assert browser.script("document.querySelector('[name=from]').value") == "2026-03-04T13:06"
    now = browser.script("document.querySelector('#now').innerText")
    assert "Fires" in now
    assert "Joins" not in now
    assert browser.complaints == []


def test_a_card_of_20_kb_or_of_many_alerts_leaves_the_others_in_sight(browser: Browser, inbox: RunningInbox) -> None:
    texts = dict.fromkeys(("summary", "description", "other"), "Too long. " * 2000)
    labels = {"alertname": "Long", "severity": "warning", **{f"label{each}": "x" * 100 for each in range(200)}}
    inbox.post(notification(alert("Before"), groupKey="1"))
    inbox.post(notification(*(alert(f"N{each}") for each in range(50)), groupKey="2"))
    inbox.post(notification(alert("Long", annotations=texts, labels=labels), groupKey="3"))
    browser.open(f"http://127.0.0.1:{inbox.port}/", "en", 1000)
    long, many, _ = browser.script("[...document.querySelectorAll('article')].map((one) => one.offsetHeight)")
    assert long < 800
    assert many < 1400
    # Nothing is gone: it is read in its place.
    assert browser.script("document.querySelector('.description').textContent.length") == 20_000
    assert browser.script("document.querySelectorAll('details.others section').length") == 45
    assert browser.complaints == []
