"""Reads the environment once: where the services are, and which are not part of this run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from smoke.client import Service
from smoke.errors import UsageError

# The services of compose.yaml that are checked, in the order in which they are.
SERVICES = ("gte-service", "prometheus", "alertmanager", "alert-inbox", "node-exporter", "grafana")


@dataclass(frozen=True)
class Addresses:
    """Where the services are, and what their containers are called."""

    gte: Service
    gte_metrics: Service
    prometheus: Service
    alertmanager: Service
    alert_inbox: Service
    node_exporter: Service
    grafana: Service


def read_addresses(environment: Mapping[str, str]) -> Addresses:
    """The addresses of this run; what isn't set has its Compose name and port.

    Raises:
        UsageError: an address, or the file of API keys, can't be used.
    """

    def service(variable: str, name: str, port: int, headers: Mapping[str, str] | None = None) -> Service:
        return Service(name, environment.get(variable) or f"http://{name}:{port}", headers)

    return Addresses(
        gte=service("SMOKE_GTE_URL", "gte-service", 5000, _identification(environment)),
        gte_metrics=service("SMOKE_GTE_METRICS_URL", "gte-service", 9090),
        prometheus=service("SMOKE_PROMETHEUS_URL", "prometheus", 9090),
        alertmanager=service("SMOKE_ALERTMANAGER_URL", "alertmanager", 9093),
        alert_inbox=service("SMOKE_ALERT_INBOX_URL", "alert-inbox", 5001),
        node_exporter=service("SMOKE_NODE_EXPORTER_URL", "node-exporter", 9100),
        grafana=service("SMOKE_GRAFANA_URL", "grafana", 3000),
    )


def _identification(environment: Mapping[str, str]) -> dict[str, str]:
    """The header that a guarded service asks for, with the first key of the file that the service reads too."""
    path = environment.get("SMOKE_API_KEYS_FILE")
    if not path:
        return {}
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
        key = next(line for line in lines if line and not line.startswith("#"))
    except (OSError, UnicodeDecodeError, StopIteration) as error:
        raise UsageError(
            f"SMOKE_API_KEYS_FILE: no key can be read from {path} ({str(error) or 'it holds none'}): give it the "
            "file that GTE_API_KEYS_FILE names, readable for everyone"
        ) from None
    return {"Authorization": f"Bearer {key}"}


def read_left_out(environment: Mapping[str, str]) -> frozenset[str]:
    """The services that SMOKE_LEFT_OUT names, separated by commas or blanks.

    Raises:
        UsageError: a name is none of SERVICES.
    """
    names = frozenset(filter(None, re.split(r"[\s,]+", environment.get("SMOKE_LEFT_OUT", ""))))
    unknown = sorted(names.difference(SERVICES))
    if unknown:
        raise UsageError(
            f"SMOKE_LEFT_OUT names {', '.join(unknown)}, but the services are {', '.join(SERVICES)}: "
            "name some of these, or leave it empty"
        )
    return names
