"""The one place that opens the files of a model's folder: each thing that can be wrong with one has its own words.

Nothing but the standard library is imported, so that `make up` checks a folder with the same code before it builds
anything.
"""

from __future__ import annotations

import json
import os
import stat
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from gte_service.errors import ModelFilesError

_POINTER = b"version https://git-lfs.github.com/"
_PAGES = (b"<!doctype", b"<html", b"<?xml")
_ZIP, _PICKLE = b"PK", b"\x80"
# As the format itself limits it, in bytes.
_LONGEST_HEADER = 100_000_000
# Not on every system; without it the real ids are asked, which are the same in a container.
_EFFECTIVE = os.access in os.supports_effective_ids

_Json = TypeVar("_Json", dict[str, Any], list[Any])


class SourceFolder:
    """A folder whose files are looked at before they are opened."""

    def __init__(self, path: Path, mounted_for: int | None = None) -> None:
        """Open nothing yet.

        Args:
            path: the folder.
            mounted_for: the uid of another process that will read it, and that sees this folder and nothing around
                it; None: this process reads it.
        """
        self.path = path
        self._mounted_for = mounted_for

    def has(self, name: str) -> bool:
        """Whether there is anything of that name, usable or not."""
        try:
            (self.path / name).lstat()
        except PermissionError:
            # Nobody can tell; `file` says why.
            return True
        except OSError:
            return False
        return True

    def json(self, name: str) -> dict[str, Any]:
        """A file that holds a JSON object.

        Raises:
            ModelFilesError: it can't be used; the message says why.
        """
        return self._parsed(name, {})

    def json_list(self, name: str) -> list[Any]:
        """As `json`, for a file that holds an array."""
        return self._parsed(name, [])

    def optional_json(self, name: str) -> dict[str, Any]:
        """As `json`; an empty object where there is no such file."""
        return self.json(name) if self.has(name) else {}

    def text(self, name: str) -> str:
        """The text of a file, without a byte order mark.

        Raises:
            ModelFilesError: it can't be used; the message says why.
        """
        path = self.file(name)
        try:
            return path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ModelFilesError(
                f"{path} is not UTF-8 text ({error.reason} at byte {error.start}): copy the file again, unchanged."
            ) from error
        except OSError as error:
            raise ModelFilesError(f"{path} can't be read ({error.strerror}): copy the model again.") from error

    def file(self, name: str) -> Path:
        """The path of a file that can be opened, is complete as far as its head and end tell, and is what it claims.

        Raises:
            ModelFilesError: it isn't; the message says why and what to do.
        """
        path = self.path / name
        self.require_folder()
        try:
            self._require_inside(path)
            status = path.stat()
        except FileNotFoundError as error:
            raise ModelFilesError(f"the model folder {self.path} lacks {name}: copy the whole model there.") from error
        except PermissionError as error:
            raise self._unreadable(path.parent, "a+rx") from error
        except OSError as error:
            raise ModelFilesError(f"{path} can't be read ({error.strerror}): copy the model again.") from error
        if not stat.S_ISREG(status.st_mode):
            raise ModelFilesError(f"{path} is no regular file: put the model's file of that name there.")
        if not status.st_size:
            raise ModelFilesError(f"{path} is empty: its copy or download was interrupted. Copy it again.")
        for folder in reversed(PurePosixPath(name).parents):
            self._require_readable(self.path / folder, (self.path / folder).stat())
        self._require_readable(path, status)
        try:
            _require_content(path, status.st_size)
        except PermissionError as error:
            raise self._unreadable(path, "a+r") from error
        except OSError as error:
            raise ModelFilesError(f"{path} can't be read ({error.strerror}): copy the model again.") from error
        return path

    def _parsed(self, name: str, empty: _Json) -> _Json:
        text = self.text(name)
        try:
            parsed = json.loads(text)
        except ValueError as error:
            raise ModelFilesError(
                f"{self.path / name} is not JSON ({error}): it is damaged or cut off. Copy it again."
            ) from error
        if not isinstance(parsed, type(empty)):
            wanted = "object" if isinstance(empty, dict) else "array"
            raise ModelFilesError(f"{self.path / name} holds no JSON {wanted}: copy the model again.")
        return parsed

    def require_folder(self) -> None:
        """Check that the folder is there and can be listed.

        Raises:
            ModelFilesError: it isn't; the message says what to do.
        """
        try:
            status = self.path.stat()
        except PermissionError as error:
            raise self._unreadable(self.path.parent, "a+rx") from error
        except OSError as error:
            raise ModelFilesError(f"the model folder {self.path} does not exist: check GTE_MODEL_DIR.") from error
        if not stat.S_ISDIR(status.st_mode):
            raise ModelFilesError(f"{self.path} is no folder: name the folder that holds it in GTE_MODEL_DIR.")
        self._require_readable(self.path, status)

    def _require_inside(self, path: Path) -> None:
        """A container that has only this folder mounted can't follow a link that leads out of it."""
        try:
            target = path.resolve(strict=True)
        except FileNotFoundError:
            target = path.resolve()
            if not path.is_symlink():
                raise
        except RuntimeError as error:
            raise ModelFilesError(f"{path} is a link that leads to itself: copy the whole model there.") from error
        else:
            if self._mounted_for is None:
                return
        if not target.is_relative_to(self.path.resolve()):
            raise ModelFilesError(
                f"{path} is a link to {target}, outside of the model's folder, where the service can't follow it: "
                f"copy the folder with what its links lead to (cp -rL {self.path} COPY), and name the copy in "
                "GTE_MODEL_DIR."
            )
        if not target.exists():
            raise ModelFilesError(f"{path} is a link to {target}, which does not exist: copy the whole model there.")

    def _require_readable(self, path: Path, status: os.stat_result) -> None:
        is_folder = stat.S_ISDIR(status.st_mode)
        if self._mounted_for is None:
            readable = os.access(path, os.R_OK | (os.X_OK if is_folder else 0), effective_ids=_EFFECTIVE)
        else:
            wanted = stat.S_IROTH | (stat.S_IXOTH if is_folder else 0)
            readable = status.st_uid == self._mounted_for or status.st_mode & wanted == wanted
        if not readable:
            raise self._unreadable(path, "a+rx" if is_folder else "a+r")

    def _unreadable(self, path: Path, mode: str) -> ModelFilesError:
        uid = os.geteuid() if self._mounted_for is None else self._mounted_for
        return ModelFilesError(
            f"{path} can't be read by uid {uid}, as which the service runs: make it readable (chmod {mode} {path})."
        )


def _require_content(path: Path, size: int) -> None:
    """Check what the first bytes, and for weights the length, tell."""
    with path.open("rb") as file:
        head = file.read(len(_POINTER))
    if head.startswith(_POINTER):
        raise ModelFilesError(
            f"{path} is a pointer of Git LFS, not the file itself: run `git lfs pull` in its folder, or download the "
            "model again."
        )
    if head.lstrip().lower().startswith(_PAGES):
        raise ModelFilesError(f"{path} is a web page, perhaps an error page of the download: download it again.")
    if path.suffix == ".safetensors":
        _require_whole_safetensors(path, size)
    elif path.suffix == ".bin":
        # Files written before torch 1.6 are pickles, whose length nothing tells.
        if not head.startswith((_ZIP, _PICKLE)):
            raise ModelFilesError(f"{path} is no file of PyTorch: copy the model again.")
        if head.startswith(_ZIP) and not zipfile.is_zipfile(path):
            raise ModelFilesError(f"{path} ends too early: its copy or download was interrupted. Copy it again.")


def _require_whole_safetensors(path: Path, size: int) -> None:
    """Compare the length with the end of the last tensor, which the header tells: 8 bytes of length, then JSON."""
    with path.open("rb") as file:
        begin = 8 + int.from_bytes(file.read(8), "little")
        try:
            if begin > _LONGEST_HEADER:
                raise ValueError("no header is that long")
            header = json.loads(file.read(begin - 8)) if begin <= size else {}
            ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise ModelFilesError(f"{path} is not a safetensors file: copy the model again.") from error
    whole = begin + max(ends, default=0)
    if size < whole:
        raise ModelFilesError(
            f"{path} has {size:,} of {whole:,} bytes: its copy or download was interrupted. Copy it again."
        )
