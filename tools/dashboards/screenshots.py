"""Takes pictures of the running stack's pages with a headless Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import ROOT, cli, prometheus
from tools.launcher.compose import Compose
from tools.launcher.images import GRAFANA, VIEWER
from tools.launcher.start import containers

FOLDER = ROOT / "docs" / "screenshots"
STATES_FOLDER = ROOT / "results" / "screenshots"
LARGEST_BYTES = 300_000
"""A README with six of them still opens quickly."""
LANGUAGES = {"": "en-US", ".zh-CN": "zh-CN"}
"""The ending of a picture's name, and the language that the browser asks for."""
STATES = ("healthy", "loaded", "fault")
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_LONGEST_SECONDS = 90.0
# Time as the page sees it: it passes as soon as nothing is loaded or computed.
_VIRTUAL_MILLISECONDS = 15_000
_WHOLE_DASHBOARD = 3200
_LOAD_SECONDS = 240
_NOTICED_SECONDS = 90


@dataclass(frozen=True)
class Picture:
    """A page to take.

    Attributes:
        name: of the file, without language and ending.
        service: in compose.yaml.
        port: inside its container.
        path: the rest of the address; `{}` stands for the ending of a Chinese dashboard's uid.
        height: of the window, in CSS pixels; it is 1440 wide.
    """

    name: str
    service: str
    port: int
    path: str
    height: int


def pictures(dashboard_uids: Iterable[str]) -> Iterator[Picture]:
    """The pages of the READMEs, in their order: the service's, each dashboard's first screen, and the inbox's."""
    yield Picture("service", "gte-service", 5000, "/", 560)
    yield from dashboards(dashboard_uids, 1000)
    yield Picture("inbox", "alert-inbox", 5001, "/", 720)


def dashboards(uids: Iterable[str], height: int) -> Iterator[Picture]:
    """Each dashboard, of which the Chinese one has the English one's uid with -zh at its end."""
    for uid in uids:
        if not uid.endswith("-zh"):
            yield Picture(f"dashboard-{uid}", VIEWER, 3000, f"/d/{uid}{{}}?from=now-15m&to=now", height)


@dataclass(frozen=True)
class Camera:
    """Takes pictures of a running stack.

    Attributes:
        compose: of the stack.
        chromium: the browser.
    """

    compose: Compose
    chromium: str

    def uids(self) -> list[str]:
        """Those of the viewer's dashboards.

        Raises:
            ToolError: the viewer does not run.
        """
        now = containers(self.compose)
        if VIEWER not in now or not now[VIEWER].healthy:
            raise cli.ToolError(
                f"{VIEWER} does not run, and its pages are to be taken. Where {GRAFANA} runs, start it beside: "
                f"GRAFANA_PORT=3001 docker compose up -d --build --no-deps {VIEWER}, and give make the same "
                "GRAFANA_PORT."
            )
        listed = cli.ask(f"http://{self.compose.read().services[VIEWER].address(3000)}/api/boards").body
        return [board["uid"] for board in listed if board["uid"]]

    def take(self, wanted: Iterable[Picture], folder: Path) -> Iterator[Path]:
        """Write each picture in both languages into a folder.

        Raises:
            ToolError: a page can't be taken.
        """
        stack = self.compose.read()
        folder.mkdir(parents=True, exist_ok=True)
        for picture in wanted:
            host = stack.services[picture.service].address(picture.port)
            for ending, language in LANGUAGES.items():
                file = folder / f"{picture.name}{ending}.png"
                url = f"http://{host}{picture.path.format('-zh' if ending else '')}"
                _take(self.chromium, url, language, picture.height, file)
                print(f"{file.relative_to(ROOT)}: {file.stat().st_size / 1000:.0f} kB", flush=True)
                yield file

    def states(self) -> None:
        """Take every dashboard whole: healthy, under load, and while the service is paused.

        Raises:
            ToolError: a state is not reached, or a page can't be taken.
        """
        whole = list(dashboards(self.uids(), _WHOLE_DASHBOARD))
        healthy, loaded, fault = (STATES_FOLDER / state for state in STATES)
        list(self.take(whole, healthy))
        command = [sys.executable, "-m", "tools.launcher", "load", "--duration", str(_LOAD_SECONDS)]
        load = subprocess.Popen(command, cwd=ROOT, env=self.compose.environ, stdout=subprocess.DEVNULL)
        try:
            self._until('sum(job_task_type_status:gte_task_requests:rate1m{status="success"}) > 50')
            list(self.take(whole, loaded))
        finally:
            load.terminate()
            load.wait()
        self.compose.capture("pause", "gte-service")
        try:
            self._until("absent(gte_server_up == 1)")
            list(self.take(whole, fault))
        finally:
            self.compose.capture("unpause", "gte-service")

    def _until(self, query: str) -> None:
        end = time.monotonic() + _NOTICED_SECONDS
        while not prometheus.ask(prometheus.address(self.compose), {"query": query}):
            if time.monotonic() > end:
                raise cli.ToolError(f"Prometheus does not see within {_NOTICED_SECONDS} s: {query}")
            time.sleep(1)


def take(compose: Compose, program: str | None, *, states: bool) -> int:
    """Write the pictures; returns the exit status, FAILED if one of the READMEs' is too large.

    Args:
        compose: of the running stack.
        program: the browser; None for the first one on the PATH.
        states: take whole dashboards in three states into results/ instead of those of the READMEs.

    Raises:
        UsageError: there is no Chromium.
        ToolError: a page can't be taken.
    """
    camera = Camera(compose, find_chromium(program))
    if states:
        camera.states()
        return cli.OK
    large = [file for file in camera.take(pictures(camera.uids()), FOLDER) if file.stat().st_size > LARGEST_BYTES]
    for file in large:
        print(f"{file.name} is over {LARGEST_BYTES / 1000:.0f} kB: make the window smaller in {Path(__file__).name}")
    return cli.FAILED if large else cli.OK


def find_chromium(program: str | None) -> str:
    """The path of the browser.

    Raises:
        UsageError: there is none.
    """
    found = shutil.which(program) if program else next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if not found:
        raise cli.UsageError(
            f"there is no {program or 'Chromium'} on the PATH. Install it (Debian: apt-get install chromium "
            'fonts-noto-cjk), or name it: make screenshots ARGS="--chromium PROGRAM"'
        )
    return found


def _take(chromium: str, url: str, language: str, height: int, file: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="screenshots-") as profile:
        command = [
            chromium, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-dev-shm-usage",
            # A sandbox needs another user than root.
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            f"--lang={language}", f"--accept-lang={language}", f"--user-data-dir={profile}",
            f"--window-size=1440,{height}", f"--virtual-time-budget={_VIRTUAL_MILLISECONDS}", f"--screenshot={file}",
            url,
        ]  # fmt: skip
        file.unlink(missing_ok=True)
        try:
            done = subprocess.run(command, capture_output=True, timeout=_LONGEST_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise cli.ToolError(f"{url} was not drawn within {_LONGEST_SECONDS:.0f} s. Try again.") from error
        if not file.exists():
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-3:]
            raise cli.ToolError(f"{chromium} took no picture of {url}:\n" + "\n".join(said))
