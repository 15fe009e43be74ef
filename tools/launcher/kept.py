"""Keeps in .env what a start has chosen, so that `docker compose` by hand finds the same model, ports and services.

The lines stand in a block of their own at the end of the file. The lines around it are the user's: they keep their
bytes and their order.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tools import cli
from tools.launcher.images import GRAFANA, VIEWER
from tools.launcher.settings import NAMES

SECRETS = frozenset({"ALERT_INBOX_TOKEN", "HEARTBEAT_URL"})
"""Never kept: who gives them in the environment may not want them in a file."""

# For Compose, which would pull the image even of a service without containers.
_GRAFANA_LEFT_OUT = {"GRAFANA_REPLICAS": "0", "GRAFANA_PULL_POLICY": "never"}
_KEPT = (NAMES | _GRAFANA_LEFT_OUT.keys()) - SECRETS

_BEGIN = "# >>> Written by make up and make demo, for `docker compose` by hand. 由 make 自动写入，请勿修改。"
_END = "# <<<"
# From a first line to the next last one, and across no other first line: what stands between is the user's.
_BLOCK = re.compile(
    rb"^# >>> Written by make (?:(?!^# >>> Written by make ).)*?^# <<<[^\n]*\n?", re.MULTILINE | re.DOTALL
)
_HALF = re.compile(rb"^# (?:>>> Written by make |<<<\s*$)", re.MULTILINE)
_NAME = re.compile(rb"^([A-Z][A-Z0-9_]*)=(.*)$", re.MULTILINE)
_PLAIN = re.compile(r"[\w./:,@+=-]*")


def kept(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The lines of the block in .env, each value as it is written there; empty where Compose reads none."""
    if environ.get("COMPOSE_ENV_FILES"):
        return {}
    found = _BLOCK.search(_content(root))
    return {name.decode(): os.fsdecode(value.strip()) for name, value in _NAME.findall(found[0] if found else b"")}


@contextmanager
def without_block(root: Path, environ: Mapping[str, str]) -> Iterator[Path | None]:
    """A file with the user's own lines of .env while it is read; None where Compose reads no others.

    Raises:
        UsageError: .env can't be read, has half a block, or there is no room for a second file beside it.
    """
    if environ.get("COMPOSE_ENV_FILES"):
        yield None
        return
    content = _content(root)
    own = _own(content)
    if own == content:
        yield None
        return
    try:
        file = _written_beside(root / ".env", own)
    except OSError as error:
        raise cli.UsageError(f"No file can be written in {root} ({error.strerror}), and a start needs one.") from error
    try:
        yield file
    finally:
        file.unlink()


def left_out_settings(left_out: Collection[str]) -> dict[str, str]:
    """What Compose and the pages must know of services that are left out: no page links to dashboards without any."""
    if GRAFANA not in left_out:
        return {}
    return _GRAFANA_LEFT_OUT | ({"DASHBOARDS_URL": "none"} if VIEWER in left_out else {})


def chosen(values: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The settings of a start that are not in the user's own lines of .env.

    Args:
        values: everything that the start was given.
        own: what the user's own lines say.
    """
    return {name: value for name, value in sorted(values.items()) if name in _KEPT and value != own.get(name, "")}


def keep(root: Path, settings: Mapping[str, str]) -> None:
    """Write the block, in the place of the earlier one; without settings there is none.

    Raises:
        OSError: the file can't be written.
        UsageError: it can't be read, or has half a block.
    """
    # Where it is a link, what it leads to is written.
    file = (root / ".env").resolve()
    content = _content(root)
    own = _own(content)
    block = "\n".join([_BEGIN, *(f"{name}={_quoted(value)}" for name, value in settings.items()), _END, ""])
    gap = b"\n" if settings and own and not own.endswith(b"\n") else b""
    new = own + gap + (block.encode("utf-8", "surrogateescape") if settings else b"")
    if new == content:
        return
    if not new:
        file.unlink(missing_ok=True)
        return
    if not file.exists():
        file.touch()
        # Under sudo it belongs to whom the folder belongs to, as a file of that user's own would.
        _give(file, root)
    written = _written_beside(file, new)
    try:
        shutil.copymode(file, written)
        _give(written, file)
        written.replace(file)
    except BaseException:
        written.unlink(missing_ok=True)
        raise


def _give(file: Path, like: Path) -> None:
    """Give a file the owner and the group of another."""
    with suppress(PermissionError):
        os.chown(file, like.stat().st_uid, like.stat().st_gid)


def _content(root: Path) -> bytes:
    try:
        return (root / ".env").read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise cli.UsageError(
            f"{root / '.env'} can't be read ({error.strerror}). It has to be a file that you may read; without one, "
            "the defaults of .env.example hold."
        ) from error


def _own(content: bytes) -> bytes:
    """The user's own lines of .env."""
    own = _BLOCK.sub(b"", content)
    if half := _HALF.search(own):
        # Nobody can tell which of the lines next to it are the user's.
        raise cli.UsageError(
            f"{os.fsdecode(half[0]).strip()!r} in .env is one end of the lines that make wrote there, and the other is "
            "gone. Remove it, and what make wrote beside it; a start writes that again."
        )
    return own


def _written_beside(file: Path, content: bytes) -> Path:
    """A new file in the folder of .env: a `docker` from a snap sees no other place for temporary files.

    Raises:
        OSError: it can't be written, and isn't there.
    """
    descriptor, name = tempfile.mkstemp(prefix=".env.", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as written:
            written.write(content)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _quoted(value: str) -> str:
    """A value as Compose reads it back: as it is, literally in single quotes, or with escapes."""
    if _PLAIN.fullmatch(value):
        return value
    # Compose takes a backslash before the closing quote for an escape, here too.
    if not {"'", "\n", "\\"} & set(value):
        return f"'{value}'"
    escaped = re.sub(r'([\\"$])', r"\\\1", value).replace("\n", "\\n")
    return f'"{escaped}"'
