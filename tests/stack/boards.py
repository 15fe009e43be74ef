"""The dashboards on a running stack: which panels are empty, and how soon a fault is on the first screen."""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from grafana.boards.generate import boards
from grafana.boards.texts import table
from tests.stack.running import Stack, wait_for

# English panels that a healthy stack under load has no data for, each with the reason.
RIGHTLY_EMPTY = {
    "Alerts before": "nothing has fired",
    "Refused requests by reason": "no request was refused",
    "Download of the model": "the demo model is not downloaded",
    "Download takes another": "the demo model is not downloaded",
    "Before and after, by task": "one revision",
    "Grafana answers": "Grafana's image can't be had everywhere",
    "Errors of Grafana": "Grafana's image can't be had everywhere",
    "Memory of Grafana": "Grafana's image can't be had everywhere",
    "Peak of each day": "needs a day",
    "P95 by capacity in use": "needs ten minutes at a load",
    "QPS by capacity in use": "needs ten minutes at a load",
    "P95 by revision": "has steps of five minutes",
    "Errors by revision": "has steps of five minutes",
}
_NOTE = re.compile(r'note: panel "(.+?)": has no data and says "')
_LONG_TEXT = "张三在北京参加了奥运会，" * 40


def empty_panels(output: str) -> set[str]:
    """The titles of the panels that the viewer's check found no data for."""
    return set(_NOTE.findall(output))


def windowed_panels() -> set[str]:
    """The English titles of the panels that look back over a whole step, so that nothing falls between two points."""
    panels = [panel for board in boards("en").values() for panel in board["panels"] if panel.get("targets")]
    return {
        panel["title"]
        for panel in panels
        if all(re.search(r"\[\$__(rate_)?interval", target["expr"]) for target in panel["targets"])
    }


@contextmanager
def load(stack: Stack, body: object, clients: int, pause: float = 0) -> Iterator[None]:
    """Send one request again and again while the block runs, from so many clients, with a pause after each answer."""
    over = threading.Event()
    data = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}

    def send() -> None:
        while not over.is_set():
            request = urllib.request.Request(stack.url("GTE_PORT", "/predict"), data, headers)
            try:
                urllib.request.urlopen(request, timeout=60).read()
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)  # refused at once: a client that asks again without a pause would take the CPU
            over.wait(pause)

    threads = [threading.Thread(target=send) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


@contextmanager
def mixed_load(stack: Stack, clients: int = 1, pause: float = 0.2) -> Iterator[None]:
    """Send the example of every task, each from so many clients, as soon as the service says what it is.

    With the default pause that is about five times a second each.
    """

    def described() -> str:
        try:
            return stack.get("GTE_PORT", "/openapi.json")
        except OSError:
            return ""

    document = json.loads(wait_for(described, "the description of the service", 60))
    examples = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    with ExitStack() as loads:
        for example in examples.values():
            loads.enter_context(load(stack, example["value"], clients, pause))
        yield


SLOW_TASK = {"task_type": "qa", "input_text": "。".join([_LONG_TEXT] * 30) + "|张三住在哪里？"}
"""A request of 30 long sentences: the task is the slowest one, whatever else is asked."""
FAILING_TASK = {"task_type": "ner", "input_text": [_LONG_TEXT] * 60}
"""Two of these at a time fill a worker's queue of 96 texts, and the third is refused with 503."""


class Watch:
    """A browser on the overview that waits for words in a panel.

    Args:
        stack: with the viewer.
        key: of the panel, in the table of texts.
        words: what it should say.
        seconds: how long it may take.
    """

    def __init__(self, stack: Stack, key: str, words: str, seconds: int) -> None:
        dev = ("docker", "compose", "--project-directory", ".", "-f", "compose.yaml", "-f", "tests/compose.dev.yaml")
        number = table()["overview"][key]["id"]
        command = [
            *dev, "run", "--rm", "--no-deps", "-T", "viewer-page-tests", "node", "tests/page/watch.mjs",
            "http://dashboard-viewer:3000/d/gte-overview?from=now-5m&to=now&refresh=5s", str(number), words,
            str(seconds),
        ]  # fmt: skip
        self._browser = subprocess.Popen(
            command, cwd=stack.root, env=stack.given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        )
        opened = self._line()
        self._begin = time.time()
        assert opened == "open\n", f"the page did not open: {opened}{self._line()}"

    def _line(self) -> str:
        assert self._browser.stdout
        return self._browser.stdout.readline()

    def seconds(self) -> float:
        """How long after the page was open the panel said it."""
        with self._browser:
            said = self._line()
        assert self._browser.returncode == 0, said
        return float(said) - self._begin
