"""The folders of the service import each other in one direction: api → tasks → engine; serving/wsgi.py joins them."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import pytest

import gte_service

PACKAGE = Path(gte_service.__file__).parent
# The modules of the package that each folder may import besides its own.
# The routes show the types of serving/status.py, which imports nothing of the service.
MAY_IMPORT: dict[str, set[str]] = {
    "engine": {"errors", "model_folder", "source_folder"},
    "tasks": {"errors", "engine"},
    "api": {"errors", "settings", "probe_secret", "tasks", "engine", "serving.status"},
}


def imports(files: Iterable[Path]) -> set[str]:
    """The modules of the package that files import, without the package's name."""
    modules: set[str] = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                # `from gte_service.api import page` imports a module too.
                modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
    return {module.removeprefix("gte_service.") for module in modules if module.startswith("gte_service.")}


def lies_in(module: str, folder: str) -> bool:
    return module == folder or module.startswith(f"{folder}.")


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_folder_imports_only_the_folders_below_it(room: str) -> None:
    found = imports((PACKAGE / room).rglob("*.py"))
    allowed = {*MAY_IMPORT[room], room}
    assert {module for module in found if not any(lies_in(module, folder) for folder in allowed)} == set()
    assert any(lies_in(module, room) for module in found)


def test_the_types_that_the_routes_show_depend_on_nothing_else_of_the_service() -> None:
    assert imports([PACKAGE / "serving" / "status.py"]) == set()


def test_only_the_module_that_builds_the_app_imports_the_api_into_serving() -> None:
    importing = [file.name for file in (PACKAGE / "serving").glob("*.py") if any(
        lies_in(module, "api") for module in imports([file]))]  # fmt: skip
    assert importing == ["wsgi.py"]
