"""Decides which texts of an alert may become links, and builds links to Alertmanager and to dashboards.

Anyone who may post an alert writes its annotations and generator URL, so a `javascript:` address in one must
stay plain text.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qs, quote, urlsplit

# A dashboard opened from an alert shows this much of the time before and after it.
_BEFORE = timedelta(minutes=30)
_AFTER = timedelta(minutes=10)


def is_web_link(text: str) -> bool:
    """Tell whether `text` is an absolute http(s) address with a host and nothing hidden in it."""
    # Browsers drop tabs and line breaks inside an address and blanks before it, which would smuggle
    # another scheme past the check below.
    if any(character <= " " or character == "\x7f" for character in text):
        return False
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def dashboard_link(address: str, started: datetime, ended: datetime | None, uid_ending: str) -> str:
    """Return the address of a dashboard at the time of an alert and in the reader's language.

    One that isn't that of a dashboard (`…/d/<uid>`) is returned as it is, and a time that it names already stays.

    Args:
        address: what the alert says.
        started: when the alert began.
        ended: when it ended, None while it fires.
        uid_ending: what the uids of this project's dashboards, `gte-…`, have at their end in this language.
    """
    parts = urlsplit(address) if is_web_link(address) else None
    found = re.search(r"/d/([^/]+)", parts.path) if parts else None
    if not parts or not found:
        return address
    if found[1].startswith("gte-") and not found[1].endswith(uid_ending):
        parts = parts._replace(path=parts.path[: found.end()] + uid_ending + parts.path[found.end() :])
    if not {"from", "to"} & parse_qs(parts.query, keep_blank_values=True).keys():
        since = _milliseconds(started, -_BEFORE)
        until = _milliseconds(ended, _AFTER) if ended else "now"
        query = "&".join(filter(None, (parts.query, f"from={since}", f"to={until}")))
        parts = parts._replace(query=query)
    return parts.geturl()


def _milliseconds(moment: datetime, later: timedelta) -> int:
    # Not a sum of times: an alert may begin in the first minutes of the year 1.
    return int(1000 * (moment.timestamp() + later.total_seconds()))


def silence_link(alertmanager_url: str, labels: Mapping[str, str]) -> str:
    """Return the address of Alertmanager's page that silences these labels; empty without an Alertmanager."""
    if not alertmanager_url:
        return ""
    matchers = ",".join(f"{_matcher_name(name)}={_quoted(labels[name])}" for name in sorted(labels))
    return f"{alertmanager_url}/#/silences/new?filter={quote('{' + matchers + '}', safe='')}"


def _matcher_name(name: str) -> str:
    # Alertmanager takes any text as a label's name, but wants quotes around all but the classic ones.
    return name if re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name) else _quoted(name)


def _quoted(text: str) -> str:
    # JSON's quoting is the one that matchers use.
    return json.dumps(text, ensure_ascii=False)
