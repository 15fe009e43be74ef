"""Reads the environment, once, into one frozen object."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, timedelta, tzinfo
from ipaddress import ip_address
from pathlib import Path
from zoneinfo import ZoneInfo

from alert_inbox.errors import SettingsError
from alert_inbox.links import is_web_link
from gte_monitoring.clients.known_hosts import host_names

PORT = 5001
# For Alertmanager alone: compose.yaml publishes it nowhere.
INSIDE_PORT = 5002

# `openssl rand -hex 24` gives 48.
_SHORTEST_TOKEN = 16

# The newest ten thousand: at one notification a minute, a week; at some 2 KB each, 20 MB.
_DEFAULT_MAX_NOTIFICATIONS = 10_000
_LARGEST_MAX_NOTIFICATIONS = 1_000_000

# Prometheus sends the watchdog every 65 s, and one that meets an Alertmanager that is being restarted is lost.
_DEFAULT_SILENCE_SECONDS = 150
_LARGEST_SILENCE_SECONDS = 86_400


@dataclass(frozen=True)
class Settings:
    """The settings of a running inbox."""

    database: Path
    max_notifications: int
    alertmanager_url: str
    """Alertmanager's address for a browser, without a slash at the end; if empty, the page has no links to it."""
    grafana_url: str
    """The address of Grafana, or of the viewer in its place, likewise."""
    runbooks: Path | None
    """The folder of the runbooks; None: there are none."""
    silence: timedelta
    """How long the watchdog may stay away before monitoring counts as silent."""
    alertmanager_api_url: str = ""
    """Alertmanager's address for the inbox, which asks it what fires; if empty, the page doesn't say."""
    inbox_url: str = ""
    """The inbox's own address for a browser, for links in messages; if empty, they have none."""
    notify_file: Path | None = None
    """The file of targets, which may be missing; None: there are none."""
    zone: tzinfo = UTC
    """The time zone of messages."""
    heartbeat_url: str = field(default="", repr=False)
    """Called each minute while all is well; a secret. Empty: nothing is called."""
    token: str = field(default="", repr=False)
    """What a post to the published port must show; a secret. Empty: none is known."""
    is_published: bool = False
    """Whether others than this host reach the published port."""
    allowed_hosts: frozenset[str] = host_names("")
    """By which names the inbox may be asked, besides addresses and its own."""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings in `environ`; an empty value counts as not set.

    Raises:
        SettingsError: A value can't be used.
    """
    return Settings(
        database=_database(environ.get("ALERT_INBOX_DATABASE") or "/data/inbox.sqlite3"),
        max_notifications=_whole_number(
            environ, "ALERT_INBOX_MAX_NOTIFICATIONS", _DEFAULT_MAX_NOTIFICATIONS, _LARGEST_MAX_NOTIFICATIONS
        ),
        alertmanager_url=_address(environ, "ALERT_INBOX_ALERTMANAGER_URL", "http://127.0.0.1:9093"),
        grafana_url=_dashboards(environ),
        runbooks=_runbooks(environ.get("ALERT_INBOX_RUNBOOKS") or ""),
        silence=timedelta(
            seconds=_whole_number(
                environ, "ALERT_INBOX_SILENCE_SECONDS", _DEFAULT_SILENCE_SECONDS, _LARGEST_SILENCE_SECONDS
            )
        ),
        alertmanager_api_url=_address(environ, "ALERT_INBOX_ALERTMANAGER_API_URL", "http://alertmanager:9093"),
        inbox_url=_address(environ, "ALERT_INBOX_URL", "http://127.0.0.1:5001"),
        notify_file=_notify_file(environ.get("ALERT_INBOX_NOTIFY_FILE") or ""),
        zone=_zone(environ.get("TZ") or ""),
        heartbeat_url=_heartbeat_url(environ.get("ALERT_INBOX_HEARTBEAT_URL") or ""),
        token=_token(environ.get("ALERT_INBOX_TOKEN") or ""),
        is_published=_is_published(environ.get("ALERT_INBOX_PUBLISHED_AT") or "127.0.0.1"),
        allowed_hosts=_allowed_hosts(environ.get("ALERT_INBOX_ALLOWED_HOSTS") or ""),
    )


def _database(value: str) -> Path:
    path = Path(value)
    if not path.is_absolute():
        raise SettingsError(f"ALERT_INBOX_DATABASE is {value!r}; give a path that begins with /")
    if path.is_dir():
        raise SettingsError(f"ALERT_INBOX_DATABASE is {value!r}, which is a folder; name a file in it")
    if not path.parent.is_dir():
        raise SettingsError(
            f"ALERT_INBOX_DATABASE is {value!r}, but {str(path.parent)!r} is no folder; create or mount it"
        )
    return path


def _whole_number(environ: Mapping[str, str], name: str, default: int, largest: int) -> int:
    value = environ.get(name) or str(default)
    # isascii: int() would take digits of other scripts, which nobody means here.
    if value.isascii() and value.isdigit() and 1 <= int(value[:20]) <= largest:
        return int(value)
    raise SettingsError(f"{name} is {value!r}; give a whole number from 1 to {largest}")


def _runbooks(value: str) -> Path | None:
    if not value:
        return None
    path = Path(value)
    if not path.is_dir():
        raise SettingsError(f"ALERT_INBOX_RUNBOOKS is {value!r}, which is no folder; create or mount it")
    return path


def _address(environ: Mapping[str, str], name: str, example: str) -> str:
    value = environ.get(name) or ""
    if value and not is_web_link(value):
        raise SettingsError(f"{name} is {value!r}; give the address a browser uses, for example {example}")
    return value.rstrip("/")


def _dashboards(environ: Mapping[str, str]) -> str:
    name = "ALERT_INBOX_GRAFANA_URL"
    # In compose.yaml `none` is no dashboards.
    return "" if environ.get(name) == "none" else _address(environ, name, "http://127.0.0.1:3000")


def _notify_file(value: str) -> Path | None:
    if value and not Path(value).is_absolute():
        raise SettingsError(f"ALERT_INBOX_NOTIFY_FILE is {value!r}; give a path that begins with /")
    return Path(value) if value else None


def _zone(value: str) -> tzinfo:
    try:
        # Some write `:Asia/Shanghai`, which means the same.
        return ZoneInfo(value.removeprefix(":")) if value else UTC
    except (OSError, ValueError, KeyError) as error:
        raise SettingsError(f"TZ is {value!r}; give a time zone by its name, for example Asia/Shanghai") from error


def _heartbeat_url(value: str) -> str:
    # Its value is a secret.
    if value and not is_web_link(value):
        raise SettingsError("ALERT_INBOX_HEARTBEAT_URL is no address; give one that begins with https://")
    return value


def _token(value: str) -> str:
    # Its value is a secret.
    if value and (len(value) < _SHORTEST_TOKEN or not re.fullmatch(r"[!-~]+", value)):
        raise SettingsError(
            f"ALERT_INBOX_TOKEN must have at least {_SHORTEST_TOKEN} characters, letters and digits of ASCII; "
            "`openssl rand -hex 24` makes one"
        )
    return value


def _allowed_hosts(value: str) -> frozenset[str]:
    try:
        return host_names(value)
    except ValueError as error:
        raise SettingsError(f"ALERT_INBOX_ALLOWED_HOSTS is {value!r}: {error}") from error


def _is_published(address: str) -> bool:
    try:
        return not ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address != "localhost"
