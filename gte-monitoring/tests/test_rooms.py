"""The doors between the rooms open one way only, and one module alone knows other libraries' private parts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gte_monitoring

PACKAGE = Path(gte_monitoring.__file__).parent
# What any room may import: it imports nothing of the rooms itself.
GROUND = {"contract", "disk_space", "docker_dns", "private_parts", "settings"}
MAY_IMPORT = {
    "processes": GROUND,
    "recording": GROUND | {"processes"},
    "clients": set(),
    "exposition": GROUND | {"processes", "recording"},
}


def imported(file: Path) -> Iterator[str]:
    """The modules that a file imports, by their full names."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def rooms(*files: Path) -> set[str]:
    """The rooms of the package that files import."""
    names = {name for file in files for name in imported(file)}
    return {name.split(".")[1] for name in names if name.startswith("gte_monitoring.")}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    assert rooms(*(PACKAGE / room).glob("*.py")) <= MAY_IMPORT[room] | {room}


def test_every_folder_is_a_room_and_all_rooms_stand_on_the_same_ground() -> None:
    assert {path.parent.name for path in PACKAGE.glob("*/*.py")} == set(MAY_IMPORT)
    assert rooms(*(PACKAGE / f"{name}.py" for name in GROUND)) <= GROUND


def test_the_contract_and_the_settings_need_only_the_standard_library() -> None:
    for name in ("contract", "settings", "__init__"):
        assert not [module for module in imported(PACKAGE / f"{name}.py") if "flask" in module or "prom" in module]


def test_only_one_module_uses_private_parts_of_other_libraries() -> None:
    private = re.compile(
        r"prometheus_client\.(mmap_dict|values)|prometheus_client import .*\b(mmap_dict|values)\b"
        r"|_accumulate_metrics|_read_all_values|manage_workers|worker_class_str|/wgunicorn-"
    )
    assert {path.name for path in PACKAGE.rglob("*.py") if private.search(path.read_text())} == {"private_parts.py"}
