"""Docker waits for the service as long as the service may take to stop, whatever deadline its requests have."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from gte_service.settings import read_settings
from tools import ROOT
from tools.launcher.compose import Compose

_SECONDS = {"h": 3600, "m": 60, "s": 1}
# From the end of gunicorn to that of the container: the exporter ends after it.
_REST_SECONDS = 5


@pytest.mark.skipif(shutil.which("docker") is None, reason="no docker program on this host")
@pytest.mark.parametrize("deadline", ["", "1", "120", "3600"])
def test_the_container_is_not_killed_before_the_last_request_has_its_answer(deadline: str) -> None:
    given = {"GTE_DEADLINE_SECONDS": deadline}
    shown = Compose(ROOT, given).capture("config", "--format", "json")
    assert shown.returncode == 0, shown.stderr
    period = json.loads(shown.stdout)["services"]["gte-service"]["stop_grace_period"]
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in re.findall(r"(\d+)([hms])", period))
    assert seconds >= read_settings(given).stop_seconds + _REST_SECONDS
