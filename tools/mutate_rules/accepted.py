"""Reads which mutants may survive, and why."""

from __future__ import annotations

import tomllib
from pathlib import Path

from tools.cli import ToolError

ACCEPTED = Path(__file__).with_name("accepted.toml")


def read_accepted(path: Path = ACCEPTED) -> dict[tuple[str, str], str]:
    """The reason for each accepted survivor, by the rule's title and the change.

    Raises:
        ToolError: the file can't be read, or an entry lacks something.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("accepted", [])
    except tomllib.TOMLDecodeError as error:
        raise ToolError(f"{path} is no TOML ({error}). Correct it.") from error
    found: dict[tuple[str, str], str] = {}
    for entry in entries:
        if set(entry) != {"rule", "reason", "changes"} or not entry["reason"].strip() or not entry["changes"]:
            raise ToolError(f"{path}: an entry needs `rule`, `reason` and `changes`, and nothing else: {entry}")
        for change in entry["changes"]:
            key = (entry["rule"], change)
            if key in found:
                raise ToolError(f"{path} names this change of {entry['rule']} twice: {change}")
            found[key] = entry["reason"]
    return found
