"""Reads the settings that the launcher itself needs: Compose reads .env, and the environment goes over it.

The services' own settings reach them through compose.yaml; the launcher sees those in `docker compose config`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Collection, Mapping
from pathlib import Path

from tools import ROOT, cli

DASHBOARD_LANGUAGES = ("en", "zh")
NAMES = frozenset(
    re.findall(r"^#([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE)
) | {"COMPOSE_FILE", "COMPOSE_PROFILES"}
"""Every setting: those of .env.example, and two of Compose's own that decide which services there are."""

_PATHS = ("GTE_MODEL_DIR", "WHEELS_DIR", "GRAFANA_ARCHIVE")
# The name of a project that only fills in settings.
_PROJECT = "settings"


def read_values(
    root: Path, environ: Mapping[str, str], names: Collection[str] = NAMES, env_file: Path | None = None
) -> dict[str, str]:
    """The values that Compose itself fills in where compose.yaml names a setting; "" where it is not set.

    Args:
        root: the project's folder, whose .env is read.
        environ: goes over the file.
        names: the settings to read.
        env_file: is read in the place of .env.

    Raises:
        ToolError: there is no `docker` program.
        UsageError: Compose can't read the file.
    """
    # A project that asks for each setting: every version of Compose can do it, and a value may have several lines.
    asking = {"image": "none", "environment": {name: f"${{{name}-}}" for name in sorted(names)}}
    command = ["docker", "compose", "--file", "-", *(["--env-file", str(env_file)] if env_file else [])]
    try:
        shown = subprocess.run(
            [*command, "config", "--format", "json"], cwd=root, env=environ,
            input=json.dumps({"name": _PROJECT, "services": {_PROJECT: asking}}), capture_output=True,
            encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise cli.ToolError("Docker Compose reads .env, and there is no `docker` program on the PATH.") from error
    if shown.returncode != 0:
        raise cli.UsageError(
            f"Docker Compose can't use the settings of {environ.get('COMPOSE_ENV_FILES') or root / '.env'}:\n"
            f"{shown.stderr.strip()}\nCorrect that line; .env.example shows how each setting is written. The file must "
            "be UTF-8."
        )
    values = json.loads(shown.stdout)["services"][_PROJECT].get("environment", {})
    # `config` doubles each dollar, so that its output can serve as a Compose file.
    # And what names a file must name it in this locale too.
    values = {name: os.fsdecode((value or "").replace("$$", "$").encode()) for name, value in values.items()}
    if values.get("COMPOSE_PROJECT_NAME") == _PROJECT and environ.get("COMPOSE_PROJECT_NAME") != _PROJECT:
        values["COMPOSE_PROJECT_NAME"] = ""
    return values


def read_settings(root: Path, environ: Mapping[str, str], names: Collection[str] = NAMES) -> dict[str, str]:
    """The environment and the values of .env in `root`; an empty value counts as not set.

    Raises:
        ToolError: there is no `docker` program.
        UsageError: Compose can't read .env, or DASHBOARD_LANGUAGE is none that the dashboards have.
    """
    return usable({**environ, **read_values(root, environ, names)})


def usable(values: Mapping[str, str]) -> dict[str, str]:
    """The values that are set.

    Raises:
        UsageError: DASHBOARD_LANGUAGE is none that the dashboards have.
    """
    settings = {name: value for name, value in values.items() if value}
    if (language := settings.get("DASHBOARD_LANGUAGE", "en")) not in DASHBOARD_LANGUAGES:
        raise cli.UsageError(f"DASHBOARD_LANGUAGE is {language!r}; give one of {', '.join(DASHBOARD_LANGUAGES)}.")
    return settings


def path_overrides(root: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings that name a folder or a file, as absolute paths: Compose takes a bare `models/gte` for a volume."""
    return {name: str((root / Path(settings[name]).expanduser()).resolve()) for name in _PATHS if name in settings}


def link_overrides(settings: Mapping[str, str]) -> dict[str, str]:
    """PUBLIC_HOST where it is not set and the stack listens on one address only: no other can be in its links."""
    address = settings.get("BIND_ADDRESS", "127.0.0.1")
    if "PUBLIC_HOST" in settings or address in {"127.0.0.1", "0.0.0.0", "::"}:
        return {}
    return {"PUBLIC_HOST": f"[{address}]" if ":" in address else address}
