"""docs/architecture.md: its drawing has every room, and a door for each import between two rooms, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.documents import files
from tests.config.drawing import circles, faults, read_drawing
from tools import ROOT

PAGE = "docs/architecture.md"
DRAWN = """# Rooms

```mermaid
flowchart TD
  subgraph package ["package"]
    top["top.py"]
    below["below/"]
  end
  tool["tool.py"]
  tool --> top
  top --> below
```
"""
SOURCES = {
    "package/__init__.py": "",
    "package/top.py": "import json\n\nfrom package.below import deep\n",
    "package/below/__init__.py": "",
    "package/below/deep.py": "",
    "tool.py": "def main():\n    import package.top\n",
}


def sources() -> list[Path]:
    """The Python files of the project, without the unit tests that lie beside their package."""
    found = (path for path in files() if path.suffix == ".py")
    return [path for path in found if "tests" not in path.relative_to(ROOT).parts[1:]]


def faults_of(folder: Path, changed: dict[str, str], drawn: str = DRAWN) -> list[str]:
    for name, text in (SOURCES | changed).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    python = sorted(path for path in folder.rglob("*.py") if path != folder / "package/__init__.py")
    return faults(read_drawing(drawn), PAGE, folder, python)


def test_the_drawing_has_every_room_and_every_door() -> None:
    drawing = read_drawing((ROOT / PAGE).read_text(encoding="utf-8"))
    found = faults(drawing, PAGE, ROOT, sources())
    assert not found, "\n" + "\n".join(found)


def test_no_door_leads_back_to_a_room_one_came_from() -> None:
    assert circles(read_drawing((ROOT / PAGE).read_text(encoding="utf-8")).doors) == set()


def test_a_drawing_that_agrees_with_the_imports_has_no_fault(tmp_path: Path) -> None:
    assert faults_of(tmp_path, {}) == []


def test_an_import_without_an_arrow_is_named_with_its_line(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, {"package/below/deep.py": "import os\nfrom package import top\n"})
    assert fault == f"package/below/deep.py:2: imports package/top.py, but {PAGE} has no arrow below --> top"


def test_an_arrow_without_an_import_is_named_with_its_line(tmp_path: Path) -> None:
    assert faults_of(tmp_path, {"tool.py": ""}) == [f"{PAGE}:10: no file of tool imports top"]


def test_a_file_without_a_room_is_named(tmp_path: Path) -> None:
    assert faults_of(tmp_path, {"package/other.py": ""}) == [f"package/other.py:1: in no room of {PAGE}"]


def test_a_room_that_is_gone_is_named(tmp_path: Path) -> None:
    (fault,) = faults_of(tmp_path, {}, DRAWN.replace('["tool.py"]', '["tool.py, gone/"]'))
    assert fault == f"{PAGE}: gone is drawn, but there is no such path"


def test_an_arrow_to_no_room_is_named(tmp_path: Path) -> None:
    assert f"{PAGE}:11: nowhere is no room" in faults_of(tmp_path, {}, DRAWN.replace("--> below", "--> nowhere"))


def test_a_line_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 10 is neither a room nor a door"):
        read_drawing(DRAWN.replace("tool -->", "tool -.->"))


def test_a_circle_of_doors_is_noticed() -> None:
    assert circles({("a", "b"): 1, ("b", "c"): 2, ("c", "b"): 3, ("c", "d"): 4}) == {"b", "c"}
