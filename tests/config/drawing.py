"""Compares a drawing of rooms and doors with the imports of the project's Python files.

The drawing is a Mermaid flowchart in a Markdown page. A node is a room: its label holds one or more paths, separated by
commas, below the folder that the label of the enclosing `subgraph` names. An arrow `a --> b` is a door: some file of
room `a` imports one of room `b`. `a & b --> c & d` is four doors.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Folders from which the project's packages are imported, the checkout itself last.
SOURCE_FOLDERS = (
    "gte-monitoring",
    "gte-service",
    "alertmanager/inbox",
    "grafana/viewer/server",
    "loadtest",
    "tests/smoke",
    ".",
)
_FLOWCHART = re.compile(r"^```mermaid\n(flowchart .*?)^```", re.M | re.S)
_SUBGRAPH = re.compile(r'subgraph \w+ ?\["([^"]+)"\]')
_ROOM = re.compile(r'(\w+)\["([^"]+)"\]')
_DOOR = re.compile(r"([\w &]+?) --> ([\w &]+)")


@dataclass
class Drawing:
    """The rooms and doors of a page.

    Attributes:
        rooms: name of the room by path, relative to the checkout; a path is a folder or a file.
        doors: line of the page by the two rooms of an arrow, the importing one first.
    """

    rooms: dict[str, str] = field(default_factory=dict)
    doors: dict[tuple[str, str], int] = field(default_factory=dict)

    def room_of(self, path: str) -> str | None:
        """The room of a file: that of the longest path which is the file or holds it."""
        holding = [place for place in self.rooms if path == place or path.startswith(f"{place}/")]
        return self.rooms[max(holding, key=len)] if holding else None


def read_drawing(page: str) -> Drawing:
    """Read the flowchart of a Markdown page.

    Raises:
        ValueError: it has none, or a line of it is neither a room, a door, nor the edge of a subgraph.
    """
    chart = _FLOWCHART.search(page)
    if not chart:
        raise ValueError("the page has no block ```mermaid that begins with `flowchart`")
    drawing = Drawing()
    first = page.count("\n", 0, chart.start(1)) + 1
    folder = ""
    for number, line in enumerate(chart[1].splitlines()[1:], first + 1):
        text = line.strip()
        if subgraph := _SUBGRAPH.fullmatch(text):
            folder = f"{subgraph[1]}/"
        elif text == "end":
            folder = ""
        elif room := _ROOM.fullmatch(text):
            drawing.rooms |= {folder + path.strip().rstrip("/"): room[1] for path in room[2].split(",")}
        elif door := _DOOR.fullmatch(text):
            ends = ([name.strip() for name in side.split("&")] for side in door.groups())
            importing, imported = ends
            drawing.doors |= {(a, b): number for a in importing for b in imported}
        elif text:
            raise ValueError(f"line {number} is neither a room nor a door: {text}")
    return drawing


def faults(drawing: Drawing, page: str, root: Path, files: list[Path]) -> list[str]:
    """Say where the drawing and the imports differ.

    Args:
        drawing: what `read_drawing` gave.
        page: the page's path, for the messages.
        root: the checkout.
        files: the Python files that must be in a room, without tests.

    Returns:
        one line a fault, each with file and line; empty if drawing and imports agree.
    """
    found = [f"{page}: {place} is drawn, but there is no such path" for place in drawing.rooms
             if not (root / place).exists()]  # fmt: skip
    names = set(drawing.rooms.values())
    found += [f"{page}:{line}: {end} is no room" for door, line in drawing.doors.items() for end in door
              if end not in names]  # fmt: skip
    unused = dict(drawing.doors)
    for file in files:
        path = file.relative_to(root).as_posix()
        room = drawing.room_of(path)
        if room is None:
            found.append(f"{path}:1: in no room of {page}")
            continue
        for line, imported in imports(file, root):
            other = drawing.room_of(imported)
            if other in (None, room):
                continue
            if (room, other) not in drawing.doors:
                found.append(f"{path}:{line}: imports {imported}, but {page} has no arrow {room} --> {other}")
            unused.pop((room, str(other)), None)
    found += [f"{page}:{line}: no file of {a} imports {b}" for (a, b), line in unused.items()]
    return found


def imports(file: Path, root: Path) -> Iterator[tuple[int, str]]:
    """The line and the imported file of every import of the project's own modules, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            members = [f"{node.module}.{alias.name}" for alias in node.names]
            # A name imported from a package may be a module of it; otherwise it is in the package's own file.
            names = [member if _file_of(member, root) else node.module for member in members]
        else:
            continue
        for name in names:
            if imported := _file_of(name, root):
                yield node.lineno, imported


def circles(doors: dict[tuple[str, str], int]) -> set[str]:
    """The rooms that can be reached from themselves."""
    reached = {a: {b for first, b in doors if first == a} for a, _ in doors}
    for _ in reached:
        for rooms in reached.values():
            rooms.update(*(reached.get(room, set()) for room in rooms))
    return {room for room, rooms in reached.items() if room in rooms}


def _file_of(module: str, root: Path) -> str | None:
    for folder in SOURCE_FOLDERS:
        path = root / folder / Path(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file.relative_to(root).as_posix()
    return None
