"""A metric of one's own, as docs/metrics.md shows it: exact over workers, whatever becomes of them."""

from __future__ import annotations

import os
import re
import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from running_app import BIND, MEASURED, ROOT, RunningApp, Start, starting

from conftest import wait_for

# What is asked for, how many hits it has, and the language it must be counted under.
SEARCHES = (
    ("/search?text=tea&language=en", 2, "en"),
    ("/search?text=cup&language=zh", 1, "zh"),
    ("/search?text=coffee&language=zh", 0, "zh"),
    ("/search?text=tea&language=tlh", 2, "other"),
    ("/search?text=tea", 2, "other"),
)
WAYS = {"measured by a line": (("-m", "gunicorn"), False), "measured by a configuration": (MEASURED, True)}


def shop() -> str:
    """The program that the page shows."""
    (code,) = re.findall(r"^```python\n(.+?)^```", (ROOT / "docs" / "metrics.md").read_text(), re.M | re.S)
    return str(code)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    yield from starting(tmp_path)


@pytest.fixture(params=WAYS)
def app(request: pytest.FixtureRequest, start: Start) -> RunningApp:
    command, exported = WAYS[request.param]
    return start(*command, *BIND, "-w", "3", "shop:app", modules={"shop": shop()}, exported=exported)


def workers(app: RunningApp) -> list[int]:
    """The live workers: children of the master that were not started as another program."""
    master = app.sessions[-1].pid
    children = map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())
    return [pid for pid in children if command_of(pid) == command_of(master)]


def command_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def search(app: RunningApp, times: int) -> None:
    """Send each search that often, several at once; every one must be answered."""
    paths = [path for path, _, _ in SEARCHES] * times
    with ThreadPoolExecutor(6) as clients:
        assert {status for status, _ in clients.map(app.ask, paths)} == {200}


def kill_oldest(app: RunningApp) -> None:
    oldest = workers(app)[0]
    os.kill(oldest, signal.SIGKILL)
    wait_for(lambda: oldest not in workers(app) and len(workers(app)) == 3, "another in its place")


def test_it_is_exact_though_workers_are_killed(app: RunningApp) -> None:
    wait_for(lambda: len(workers(app)) == 3 and app.metrics()["gte_workers"] == 3, "three workers")
    before = app.metrics()
    assert [before[f'shop_searches_total{{language="{language}"}}'] for language in ("en", "zh", "other")] == [0] * 3
    # All that there were at the beginning, one after the other, and one that took another's place.
    for _ in range(4):
        search(app, 20)
        kill_oldest(app)
    search(app, 20)
    expected = Counter(language for _, _, language in SEARCHES)
    wait_for(lambda: app.metrics()["gte_workers"] == 3, "three workers")
    found = app.metrics()
    assert {language: found[f'shop_searches_total{{language="{language}"}}'] for language in expected} == {
        language: 100 * count for language, count in expected.items()
    }
    assert found["shop_search_hits_count"] == 100 * len(SEARCHES)
    assert found["shop_search_hits_sum"] == 100 * sum(hits for _, hits, _ in SEARCHES)
    assert found['shop_search_hits_bucket{le="1.0"}'] == 100 * sum(hits <= 1 for _, hits, _ in SEARCHES)
    assert found["shop_open_searches"] == 0


def test_it_can_be_asked_for_by_name(app: RunningApp) -> None:
    search(app, 1)
    port = app.metrics_port if app.exported else app.port
    _, text = app.ask("/metrics?name[]=shop_searches_total&name[]=shop_search_hits_count", port=port)
    series = [line for line in text.splitlines() if not line.startswith("#")]
    assert sorted(series) == [
        "shop_search_hits_count 5.0",
        'shop_searches_total{language="en"} 1.0',
        'shop_searches_total{language="other"} 2.0',
        'shop_searches_total{language="zh"} 2.0',
    ]
