"""Pulls one image, and gives up early where no registry answers."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass

ANSWER_SECONDS = 30.0
"""How long a registry may take to name the image's layers. A download that has begun may take as long as it likes."""

_BEGUN = b"Pulling from"
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\x08]")
_NO_ANSWER = re.compile(
    r"no such host|server misbehaving|connection refused|connection reset|no route to host|network is unreachable"
    r"|timeout|timed out|deadline exceeded|request canceled|TLS|x509|proxyconnect|EOF|failed to do request",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Pulled:
    """What a pull came to.

    Attributes:
        done: whether the image is here now.
        reason: why not, in the engine's words.
        reached: whether the registry answered at all.
    """

    done: bool
    reason: str = ""
    reached: bool = True


def registry_of(image: str) -> str:
    """The registry's address in an image's name, "docker.io" if it has none."""
    first, slash, _ = image.partition("/")
    return first if slash and (set(first) & {".", ":"} or first == "localhost") else "docker.io"


def pull(image: str, answer_seconds: float = ANSWER_SECONDS) -> Pulled:
    """Pull an image, with the engine's own progress on our terminal."""
    ours, its = _terminal() if sys.stdout.isatty() else os.pipe()
    with subprocess.Popen(["docker", "pull", image], stdin=subprocess.DEVNULL, stdout=its, stderr=its) as process:
        os.close(its)
        said = _forward(ours, time.monotonic() + answer_seconds)
        os.close(ours)
        if said is None:
            process.terminate()
    if said is None:
        reason = f"{registry_of(image)} has not answered within {answer_seconds:.0f} s"
        return Pulled(done=False, reason=reason, reached=False)
    if process.returncode == 0:
        return Pulled(done=True)
    reason = _last_line(said)
    return Pulled(done=False, reason=reason, reached=not _NO_ANSWER.search(reason))


def _terminal() -> tuple[int, int]:
    """Both ends of a terminal as wide as ours: the engine draws its progress only on a terminal."""
    ours, its = pty.openpty()
    columns, lines = os.get_terminal_size()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    return ours, its


def _forward(source: int, deadline: float) -> bytes | None:
    """Pass on what arrives once the registry has answered; returns the last of it, or None at the deadline."""
    said, begun = b"", False
    while True:
        if not begun and not select.select([source], [], [], max(0.0, deadline - time.monotonic()))[0]:
            return None
        try:
            block = os.read(source, 4096)
        except OSError:  # how a terminal ends
            return said
        if not block:
            return said
        said = (said + block)[-8192:]
        if begun:
            _show(block)
        elif _BEGUN in said:
            begun = True
            _show(said)


def _show(block: bytes) -> None:
    sys.stdout.write(block.decode(errors="replace"))
    sys.stdout.flush()


def _last_line(said: bytes) -> str:
    lines = [_CONTROL.sub("", line).strip() for line in said.decode(errors="replace").splitlines()]
    last = next((line for line in reversed(lines) if line), "docker pull said nothing")
    return last.removeprefix("Error response from daemon: ")
