""".env.example explains every setting, with the default of the compose files."""

from __future__ import annotations

import re

import pytest

from tools import ROOT

_EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
_FILES = [(ROOT / name).read_text(encoding="utf-8") for name in ("compose.yaml", "gateway/compose.yaml")]
# The tag of our images is the name of the project.
_COMPOSE = "".join(_FILES).replace("${COMPOSE_PROJECT_NAME}", "gte-observability")
EXPLAINED = dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", _EXAMPLE, flags=re.MULTILINE))
READ = set(re.findall(r"\$\{([A-Z][A-Z0-9_]*)", _COMPOSE))
DEFAULTS = dict(re.findall(r"\$\{([A-Z][A-Z0-9_]*):?-([^}]+)\}", _COMPOSE))

# Set by `make smoke` for one call, and by `make up` where Grafana's image can't be had.
NOT_FOR_PEOPLE = {"SMOKE_LEFT_OUT", "GRAFANA_REPLICAS", "GRAFANA_PULL_POLICY"}
# Read by Compose itself.
COMPOSES_OWN = {"COMPOSE_PROJECT_NAME", "COMPOSE_FILE"}
# Read by the launcher, for what Compose has no part in.
LAUNCHERS_OWN = {"GRAFANA_ARCHIVE", "GRAFANA_ARCHIVE_SHA256"}
# Their default is something empty or made of others, which nobody would write down.
SHOWN_BY_EXAMPLE = {"GTE_MODEL_DIR", "GTE_API_KEYS_FILE", "DASHBOARDS_URL"}


def test_every_setting_that_is_read_is_explained() -> None:
    assert READ - NOT_FOR_PEOPLE - set(EXPLAINED) == set()


def test_every_setting_that_is_explained_is_read() -> None:
    assert set(EXPLAINED) - READ - COMPOSES_OWN - LAUNCHERS_OWN == set()


@pytest.mark.parametrize("name", sorted(set(DEFAULTS) - SHOWN_BY_EXAMPLE - NOT_FOR_PEOPLE))
def test_the_default_is_the_one_of_compose(name: str) -> None:
    assert EXPLAINED[name] == DEFAULTS[name]


def test_the_project_has_the_name_that_compose_gives_it() -> None:
    assert EXPLAINED["COMPOSE_PROJECT_NAME"] == re.findall(r"^name: (.*)$", _COMPOSE, flags=re.MULTILINE)[0]


def test_nothing_is_set_until_somebody_uncomments_it() -> None:
    assert [line for line in _EXAMPLE.splitlines() if line and not line.startswith("#")] == []


def test_each_part_is_explained_in_chinese_too() -> None:
    parts = [part for part in _EXAMPLE.split("\n\n") if re.search(r"^#[A-Z]", part, flags=re.MULTILINE)]
    assert [part for part in parts if not re.search(r"[\u4e00-\u9fff]", part)] == []
