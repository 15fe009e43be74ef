"""Settings of the gunicorn configuration for an existing app: read once from the environment, checked, and frozen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# For an app that names no tasks: those of the tutorial app that examples/existing-app measures.
DEFAULT_TASK_TYPES = ("embedding", "similarity", "sentiment", "classification", "qa", "ner", "relation", "event")
# Nothing of the observability stack has this port on the host; OpenTelemetry uses it for metrics as well.
DEFAULT_PORT = 9464


class MonitoringSettingsError(Exception):
    """A value of the environment can't be used; the message names the variable."""


@dataclass(frozen=True)
class MonitoringSettings:
    """How an existing app is measured.

    Attributes:
        directory: where the metric files are; None for a folder in memory that belongs to the port.
        address: where /metrics is served.
        port: its TCP port.
        task_rules: URL rules whose POST requests are tasks.
        task_types: the tasks they may name; others are counted as `unknown`.
    """

    directory: Path | None
    address: str
    port: int
    task_rules: tuple[str, ...]
    task_types: tuple[str, ...]


def read_monitoring_settings(environ: Mapping[str, str] = os.environ) -> MonitoringSettings:
    """Read and check the settings.

    Raises:
        MonitoringSettingsError: a value can't be used.
    """
    port = environ.get("GTE_METRICS_LISTEN_PORT", "").strip() or str(DEFAULT_PORT)
    if not port.isascii() or not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise MonitoringSettingsError(f"GTE_METRICS_LISTEN_PORT={port!r} is not a whole number from 1 to 65535.")
    rules = _listed(environ, "GTE_TASK_RULES") or ("/predict",)
    if odd := next((rule for rule in rules if not rule.startswith("/")), None):
        raise MonitoringSettingsError(
            f"GTE_TASK_RULES: {odd!r} is not a URL rule. Write them as the app does, for example /predict,/v2/predict."
        )
    directory = environ.get("GTE_METRICS_DIR", "").strip()
    return MonitoringSettings(
        directory=Path(directory) if directory else None,
        address=environ.get("GTE_METRICS_ADDRESS", "").strip() or "127.0.0.1",
        port=int(port),
        task_rules=rules,
        task_types=_listed(environ, "GTE_TASK_TYPES") or DEFAULT_TASK_TYPES,
    )


def _listed(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environ.get(name, "").split(",") if part.strip())
