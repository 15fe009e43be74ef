"""Decides which texts of an alert may become links, and builds links to Alertmanager.

Anyone who may post an alert writes its annotations and generator URL, so a `javascript:` address in one must
stay plain text.
"""

import json
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit


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
