"""Reads the settings that the launcher itself needs: Compose reads .env, and the environment goes over it.

The services' own settings reach them through compose.yaml; the launcher sees those in `docker compose config`.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tools import cli

DASHBOARD_LANGUAGES = ("en", "zh")
_PATHS = ("GTE_MODEL_DIR", "WHEELS_DIR", "GRAFANA_ARCHIVE")
# A service that takes its environment from .env. `config --environment` would say the same, but only since Compose
# 2.28, and a value of several lines can't be told from several values there.
_PROJECT = {
    "name": "settings",
    "services": {"settings": {"image": "none", "env_file": [{"path": ".env", "required": False}]}},
}


def read_settings(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The values of .env in `root`, with those of the environment over them; an empty value counts as not set.

    Raises:
        ToolError: there is no `docker` program.
        UsageError: Compose can't read .env, or DASHBOARD_LANGUAGE is none that the dashboards have.
    """
    command = ["docker", "compose", "--file", "-", "config", "--format", "json"]
    try:
        shown = subprocess.run(
            command, cwd=root, env=environ, input=json.dumps(_PROJECT), capture_output=True, encoding="utf-8",
            errors="replace", check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise cli.ToolError("Docker Compose reads .env, and there is no `docker` program on the PATH.") from error
    if shown.returncode != 0:
        raise cli.UsageError(
            f"Docker Compose can't use the settings of {root / '.env'}:\n{shown.stderr.strip()}\n"
            "Correct that line; .env.example shows how each setting is written."
        )
    values = json.loads(shown.stdout)["services"]["settings"].get("environment", {})
    # `config` doubles each dollar, so that its output can serve as a Compose file.
    values = {name: (value or "").replace("$$", "$") for name, value in values.items()}
    settings = {name: value for name, value in {**values, **environ}.items() if value}
    if (language := settings.get("DASHBOARD_LANGUAGE", "en")) not in DASHBOARD_LANGUAGES:
        raise cli.UsageError(f"DASHBOARD_LANGUAGE is {language!r}; give one of {', '.join(DASHBOARD_LANGUAGES)}.")
    return settings


def path_overrides(root: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings that name a folder or a file, as absolute paths: Compose takes a bare `models/gte` for a volume."""
    return {name: str((root / Path(settings[name]).expanduser()).resolve()) for name in _PATHS if name in settings}
