"""Reads the dashboard files. Each call looks at the disk, so a file that was changed shows at the next request."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Board:
    """One dashboard file."""

    file: str
    """Its path below the folder of dashboards."""
    uid: str
    """Empty if the file can't be used."""
    title: str
    tags: tuple[str, ...]
    folder: str
    """The folder that the file lies in, empty at the top."""
    raw: bytes
    """The file as it is on the disk."""
    error: str = ""
    """Why it can't be used; empty if it can."""

    def summary(self) -> dict[str, Any]:
        """The entry of /api/boards."""
        entry = {name: getattr(self, name) for name in ("uid", "title", "tags", "folder", "file")}
        return entry | ({"error": self.error} if self.error else {})


def read_boards(folder: Path) -> list[Board]:
    """Return all dashboards, ordered by file. One that can't be used says why, and doesn't keep the others away."""
    boards: list[Board] = []
    first: dict[str, str] = {}  # the file that has a uid
    for path in sorted(folder.rglob("*.json")):
        board = _read(path, str(path.relative_to(folder)))
        if board.uid in first:
            taken = f"its uid {board.uid!r} is that of {first[board.uid]}; give it one of its own"
            board = _unusable(path, board.file, taken)
        elif board.uid:
            first[board.uid] = board.file
        boards.append(board)
    return boards


def _read(path: Path, file: str) -> Board:
    try:
        raw = path.read_bytes()
        content = json.loads(raw)
    except OSError as error:
        return _unusable(path, file, f"it can't be read: {error.strerror}")
    except (ValueError, RecursionError) as error:
        return _unusable(path, file, f"it is not JSON: {error}")
    if not isinstance(content, dict) or not all(isinstance(content.get(key), str) for key in ("uid", "title")):
        return _unusable(path, file, "it has no uid or no title; both stand at the top of a dashboard's JSON")
    tags = content.get("tags")
    named = tuple(map(str, tags)) if isinstance(tags, list) else ()
    return Board(file, content["uid"], content["title"], named, _folder(file), raw)


def _unusable(path: Path, file: str, error: str) -> Board:
    return Board(file, "", path.name, (), _folder(file), b"", error)


def _folder(file: str) -> str:
    return file.rpartition("/")[0]
