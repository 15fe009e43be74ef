"""Reads the environment, once, into one frozen object."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gte_monitoring.clients.known_hosts import host_names


class SettingsError(Exception):
    """A setting is wrong; the message names the variable, its value and what is expected."""


@dataclass(frozen=True)
class Settings:
    """The settings of a running viewer."""

    page: Path
    """The folder that the build wrote: index.html and the files it loads."""
    dashboards: Path
    """The folder of the dashboard files, as Grafana is provisioned with it."""
    prometheus: str
    """Prometheus' address for this server, for example http://prometheus:9090."""
    scrape_interval: str
    """How often Prometheus asks its targets, for example 5s: as in Grafana, the smallest window follows from it."""
    language: str
    """`en` or `zh`: that of the overview that `/` leads to; empty: the reader's."""
    links: Mapping[str, str]
    """Addresses of the other pages as a browser opens them, by their name in /api/settings; empty: none is known."""
    allowed_hosts: frozenset[str]
    """By which names the viewer may be asked, besides addresses and its own."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings in `environ`; an empty value counts as not set.

    Raises:
        SettingsError: A value can't be used.
    """
    pages = ("prometheus", "alertmanager", "inbox")
    settings = Settings(
        page=_folder(environ, "DASHBOARD_VIEWER_PAGE", "/app/public"),
        dashboards=_folder(environ, "DASHBOARD_VIEWER_DASHBOARDS", "/dashboards"),
        prometheus=_address(environ, "DASHBOARD_VIEWER_PROMETHEUS", "http://prometheus:9090"),
        scrape_interval=environ.get("DASHBOARD_VIEWER_SCRAPE_INTERVAL") or "15s",
        language=environ.get("DASHBOARD_VIEWER_LANGUAGE", ""),
        links={page: _address(environ, f"DASHBOARD_VIEWER_{page.upper()}_URL", "") for page in pages},
        allowed_hosts=_allowed_hosts(environ.get("DASHBOARD_VIEWER_ALLOWED_HOSTS", "")),
    )
    if not re.fullmatch(r"[1-9][0-9]*(ms|s|m|h)", settings.scrape_interval):
        raise SettingsError(
            f"DASHBOARD_VIEWER_SCRAPE_INTERVAL is {settings.scrape_interval!r}; give the scrape_interval of "
            "prometheus.yml, for example 5s"
        )
    if settings.language not in ("", "en", "zh"):
        raise SettingsError(f"DASHBOARD_VIEWER_LANGUAGE is {settings.language!r}; give en or zh, or leave it empty")
    return settings


def _allowed_hosts(value: str) -> frozenset[str]:
    try:
        return host_names(value)
    except ValueError as error:
        raise SettingsError(f"DASHBOARD_VIEWER_ALLOWED_HOSTS is {value!r}: {error}") from error


def _folder(environ: Mapping[str, str], name: str, default: str) -> Path:
    path = Path(environ.get(name) or default)
    if not path.is_dir():
        raise SettingsError(f"{name} is {str(path)!r}, which is no folder; create or mount it")
    return path


def _address(environ: Mapping[str, str], name: str, default: str) -> str:
    value = environ.get(name) or default
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"[\s\x00-\x1f]", value)):
        raise SettingsError(f"{name} is {value!r}; give an address such as http://127.0.0.1:9090")
    return value.rstrip("/")
