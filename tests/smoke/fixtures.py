"""The services of the running stack as fixtures, and the time that each check has.

A check's sentence is about its first service. A check is left out if SMOKE_LEFT_OUT names one of its services.
"""

from __future__ import annotations

import inspect
import os
import re
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.smoke.services import Deadline, Service

# The setting of each address, the service's name in compose.yaml, and its port there.
ADDRESSES = {
    "SMOKE_GTE_URL": ("gte-service", 5000),
    "SMOKE_GTE_METRICS_URL": ("gte-service", 9090),
    "SMOKE_PROMETHEUS_URL": ("prometheus", 9090),
    "SMOKE_ALERTMANAGER_URL": ("alertmanager", 9093),
    "SMOKE_ALERT_INBOX_URL": ("alert-inbox", 5001),
    "SMOKE_NODE_EXPORTER_URL": ("node-exporter", 9100),
    "SMOKE_GRAFANA_URL": ("grafana", 3000),
    "SMOKE_DASHBOARD_VIEWER_URL": ("dashboard-viewer", 3000),
}
NAMES = tuple(dict.fromkeys(name for name, _ in ADDRESSES.values()))
UNSCRAPED = frozenset({"dashboard-viewer"})
"""Services that have no metrics."""
CHECK_SECONDS = 10.0
# Once a service hasn't answered at all, its other checks are still made, but hardly waited for.
GIVEN_UP_SECONDS = 2.0


@dataclass(frozen=True)
class Run:
    """One run of the smoke test.

    Attributes:
        addresses: host and port, and the prefix of every path, by setting.
        headers: what a guarded gte-service asks for.
        grafana_headers: the name by which Grafana answers.
        left_out: the services that are not part of the run.
        deadline: that of all checks together.
        word: a word that no other run has; marks what the run leaves behind.
        began: when it began, in seconds since 1970.
        unreachable: the services that didn't answer.
    """

    addresses: dict[str, tuple[str, str]]
    headers: dict[str, str]
    grafana_headers: dict[str, str]
    left_out: frozenset[str]
    deadline: Deadline
    word: str = field(default_factory=lambda: secrets.token_hex(4))
    began: float = field(default_factory=time.time)
    unreachable: set[str] = field(default_factory=set)


RUN = pytest.StashKey[Run]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the times that an ini file, or -o, can set."""
    parser.addini("longest_run_seconds", "how long all checks together may take")
    parser.addini("longest_check_seconds", "the most that any check may take")


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings once."""
    addresses = {
        setting: _address(setting, os.environ.get(setting) or f"http://{name}:{port}")
        for setting, (name, port) in ADDRESSES.items()
    }
    left_out = frozenset(re.findall(r"[^\s,]+", os.environ.get("SMOKE_LEFT_OUT", "")))
    if unknown := ", ".join(sorted(left_out.difference(NAMES))):
        raise pytest.UsageError(f"SMOKE_LEFT_OUT names {unknown}: name some of {', '.join(NAMES)}, or leave it empty")
    deadline = Deadline(float(config.getini("longest_run_seconds")))
    keys = _identification(os.environ.get("SMOKE_API_KEYS_FILE"))
    name = os.environ.get("SMOKE_GRAFANA_HOST")
    config.stash[RUN] = Run(addresses, keys, {"Host": name} if name else {}, left_out, deadline)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the checks that are marked so last, and leave the viewer's out beside Grafana, whose place it takes."""
    if "grafana" not in config.stash[RUN].left_out:
        items[:] = [item for item in items if "dashboard-viewer" not in services_of(item)]
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


def pytest_pyfunc_call(pyfuncitem: Any) -> bool | None:
    """Repeat a check that is marked with `within` until it passes or its time is up."""
    if not pyfuncitem.get_closest_marker("within"):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    pyfuncitem.funcargs["deadline"].until(lambda: pyfuncitem.obj(**arguments))
    return True


def services_of(item: Any) -> list[str]:
    """The Compose names of the services that a check asks, and of the one that its parameter `job` names."""
    settings = [setting for name in item.fixturenames if (setting := f"SMOKE_{name.upper()}_URL") in ADDRESSES]
    job = item.callspec.params.get("job") if hasattr(item, "callspec") else None
    return [name for name in dict.fromkeys([*(ADDRESSES[setting][0] for setting in settings), job]) if name in NAMES]


@pytest.fixture(scope="session")
def run(pytestconfig: pytest.Config) -> Run:
    """This run."""
    return pytestconfig.stash[RUN]


@pytest.fixture
def deadline(request: pytest.FixtureRequest, run: Run) -> Deadline:
    """The deadline of a check; leaves the check out where one of its services is."""
    services = services_of(request.node)
    if absent := ", ".join(sorted(run.left_out.intersection(services))):
        pytest.skip(f"SMOKE_LEFT_OUT names {absent}")
    if not run.deadline.remaining():
        pytest.fail("the time for all checks together (longest_run_seconds) was up before this one began")
    marker = request.node.get_closest_marker("within") or request.node.get_closest_marker("seconds")
    seconds = marker.args[0] if marker else CHECK_SECONDS
    if not run.unreachable.isdisjoint(services):
        seconds = min(seconds, GIVEN_UP_SECONDS)
    longest = float(request.config.getini("longest_check_seconds"))
    return Deadline(min(seconds, longest, run.deadline.remaining()))


def _service(setting: str) -> Any:
    @pytest.fixture
    def service(run: Run, deadline: Deadline) -> Service:
        headers = {"SMOKE_GTE_URL": run.headers, "SMOKE_GRAFANA_URL": run.grafana_headers}.get(setting, {})
        return Service(ADDRESSES[setting][0], *run.addresses[setting], deadline, run.unreachable, headers)

    return service


gte, gte_metrics, prometheus, alertmanager, alert_inbox, node_exporter, grafana, dashboard_viewer = map(
    _service, ADDRESSES
)


def _address(setting: str, url: str) -> tuple[str, str]:
    parts = re.fullmatch(r"http://([\w.-]+(?::\d{1,5})?)((?:/[^?#\s]*)?)", url)
    if not parts:
        raise pytest.UsageError(f"{setting} is {url!r}: write it like http://{ADDRESSES[setting][0]}:1234")
    return parts[1], parts[2].rstrip("/")


def _identification(path: str | None) -> dict[str, str]:
    """The header with the first key of the file that the service reads too."""
    if not path:
        return {}
    try:
        keys = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
        return {"Authorization": f"Bearer {next(key for key in keys if key and not key.startswith('#'))}"}
    except (OSError, ValueError, StopIteration) as error:
        raise pytest.UsageError(
            f"SMOKE_API_KEYS_FILE: no key can be read from {path} ({str(error) or 'it holds none'}): give it the "
            "file that GTE_API_KEYS_FILE names, readable for everyone"
        ) from None
