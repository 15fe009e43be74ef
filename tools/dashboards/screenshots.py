"""Takes pictures of the running stack's pages with a headless Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools import ROOT, cli
from tools.launcher.compose import Compose
from tools.launcher.images import GRAFANA, VIEWER
from tools.launcher.start import containers

FOLDER = ROOT / "docs" / "screenshots"
LARGEST_BYTES = 300_000
"""A README with six of them still opens quickly."""
LANGUAGES = {"": "en-US", ".zh-CN": "zh-CN"}
"""The ending of a picture's name, and the language that the browser asks for."""
_PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_LONGEST_SECONDS = 90.0
# Time as the page sees it: it passes as soon as nothing is loaded or computed.
_VIRTUAL_MILLISECONDS = 15_000


@dataclass(frozen=True)
class Picture:
    """A page to take.

    Attributes:
        name: of the file, without language and ending.
        service: in compose.yaml.
        port: inside its container.
        path: the rest of the address.
        height: of the window, in CSS pixels; it is 1440 wide.
    """

    name: str
    service: str
    port: int
    path: str
    height: int


def pictures(dashboard_uids: list[str]) -> Iterator[Picture]:
    """All pages, in the order of the READMEs."""
    yield Picture("service", "gte-service", 5000, "/", 560)
    for uid in dashboard_uids:
        yield Picture(f"dashboard-{uid}", VIEWER, 3000, f"/d/{uid}?from=now-15m&to=now", 1000)
    yield Picture("inbox", "alert-inbox", 5001, "/", 720)


def take(compose: Compose, program: str | None) -> int:
    """Write the pictures into docs/screenshots; returns the exit status, FAILED if one is too large.

    Raises:
        UsageError: there is no Chromium.
        ToolError: a page can't be taken.
    """
    chromium = find_chromium(program)
    stack, now = compose.read(), containers(compose)
    if VIEWER not in now or not now[VIEWER].healthy:
        raise cli.ToolError(
            f"{VIEWER} does not run, and its pages are to be taken. Where {GRAFANA} runs, start it beside: "
            f"GRAFANA_PORT=3001 docker compose up -d --build --no-deps {VIEWER}, and give make the same GRAFANA_PORT."
        )
    listed = cli.ask(f"http://{stack.services[VIEWER].address(3000)}/api/boards").body
    uids = [board["uid"] for board in listed if board["uid"]]
    FOLDER.mkdir(parents=True, exist_ok=True)
    status = cli.OK
    for picture in pictures(uids):
        url = f"http://{stack.services[picture.service].address(picture.port)}{picture.path}"
        for ending, language in LANGUAGES.items():
            file = FOLDER / f"{picture.name}{ending}.png"
            _take(chromium, url, language, picture.height, file)
            size = file.stat().st_size
            print(f"{file.relative_to(ROOT)}: {size / 1000:.0f} kB", flush=True)
            if size > LARGEST_BYTES:
                print(f"  that is over {LARGEST_BYTES / 1000:.0f} kB: make the window smaller in {Path(__file__).name}")
                status = cli.FAILED
    return status


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
