"""The doors between the rooms open one way only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import gte_service

PACKAGE = Path(gte_service.__file__).parent
# Whom each room may know besides itself.
MAY_KNOW = {"engine": {"errors"}, "tasks": {"errors", "engine"}}


@pytest.mark.parametrize("room", MAY_KNOW)
def test_a_room_knows_only_the_rooms_below_it(room: str) -> None:
    known = {
        name.split(".")[1]
        for file in (PACKAGE / room).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in ([node.module] if isinstance(node, ast.ImportFrom) and node.module else
                     [alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
        if name.startswith("gte_service.")
    }  # fmt: skip
    assert known <= MAY_KNOW[room] | {room}
    assert room in known
