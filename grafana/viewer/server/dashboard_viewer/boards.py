"""Reads the dashboard files. Each call looks at the disk, so a file that was changed shows at the next request."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Board:
    """One dashboard file."""

    uid: str
    """Empty if the file can't be used."""
    title: str
    tags: tuple[str, ...]
    folder: str
    """The folder that the file lies in, empty at the top."""
    file: str
    """Its path below the folder of dashboards."""
    error: str = ""
    """Why it can't be used; empty if it can."""

    def summary(self) -> dict[str, Any]:
        """The entry of /api/boards."""
        return {name: value for name, value in asdict(self).items() if name != "error" or value}


def read_boards(folder: Path) -> list[Board]:
    """Return all dashboards, ordered by file. One that can't be used says why, and doesn't keep the others away."""
    boards: list[Board] = []
    for path in sorted(folder.rglob("*.json")):
        file = str(path.relative_to(folder))
        place = file.rpartition("/")[0]
        try:
            uid, title, tags = _read(path)
            taken = next((board.file for board in boards if board.uid == uid), None)
            if taken:
                raise ValueError(f"its uid {uid!r} is that of {taken}; give it one of its own")
            boards.append(Board(uid, title, tags, place, file))
        except ValueError as error:
            boards.append(Board("", path.name, (), place, file, str(error)))
    return boards


def _read(path: Path) -> tuple[str, str, tuple[str, ...]]:
    """Return uid, title and tags of a file; a ValueError says why it can't be used."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"it can't be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not JSON: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(content.get(key), str) for key in ("uid", "title")):
        raise ValueError("it has no uid or no title; both stand at the top of a dashboard's JSON")
    tags = content.get("tags")
    return content["uid"], content["title"], tuple(map(str, tags)) if isinstance(tags, list) else ()
