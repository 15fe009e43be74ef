"""The few settings that the launcher itself needs, with Compose's precedence: the environment over .env.

All others are read from `docker compose config`. These are needed before Compose is there (the Debian mirror to
install it from), or must be made absolute for it (folders).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tools.launcher.errors import SettingsError

_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)$")
_QUOTED = re.compile(r"""^(?P<quote>["'])(?P<text>.*?)(?P=quote)\s*(?:#.*)?$""")
_VARIABLE = re.compile(r"\$(?P<brace>\{)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?(brace)\})")
_FOLDERS = ("GTE_MODEL_DIR", "WHEELS_DIR")


def read_settings(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The values of .env beside compose.yaml, overridden by the environment; an empty value counts as not set.

    Raises:
        SettingsError: .env can't be read.
    """
    path = root / ".env"
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can't be read ({error}). Make it a readable UTF-8 text file.") from error
    return {name: value for name, value in {**parse_env_file(text, environ), **environ}.items() if value}


def parse_env_file(text: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Names and values of an .env file: comments, quotes, `export` and `${NAME}` as Compose reads them."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        assignment = _ASSIGNMENT.match(line)
        if assignment and not line.lstrip().startswith("#"):
            values[assignment["name"]] = _read_value(assignment["value"].strip(), {**values, **environ})
    return values


def folder_overrides(root: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings that name folders, as absolute paths: Compose takes a bare `models/gte` for a volume's name."""
    return {name: str((root / Path(settings[name]).expanduser()).resolve()) for name in _FOLDERS if name in settings}


def _read_value(value: str, known: Mapping[str, str]) -> str:
    quoted = _QUOTED.match(value)
    if quoted and quoted["quote"] == "'":
        return quoted["text"]
    # Outside quotes a comment begins at a hash that follows a blank, though not at the very beginning.
    plain = quoted["text"] if quoted else re.split(r"\s+#", value, maxsplit=1)[0].rstrip()
    return _VARIABLE.sub(lambda variable: known.get(variable["name"], ""), plain)
