"""Starts the exporter so that it opens no file of the host: Landlock leaves it sizes of file systems, /proc and /sys.

The host's root is mounted at /host, because a file system tells its size at a path in it alone (statfs), which Landlock
doesn't restrict. Everything else in the container stays as it is. `start.py COMMAND ARGUMENT...`
"""

import ctypes
import os
import struct
import sys
from pathlib import Path

_HOST = "host"
# The same numbers on every architecture (linux/landlock.h, asm-generic/unistd.h).
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_BENEATH_PATH = 1
_PR_SET_NO_NEW_PRIVS = 38
_LIBC = ctypes.CDLL(None, use_errno=True)


def restrict() -> None:
    """Let this process, and what it becomes, read and run only what lies beside /host.

    Raises:
        OSError: the kernel has no Landlock, or the engine doesn't let containers use it.
    """
    ruleset = _call(_CREATE_RULESET, struct.pack("=Q", _EXECUTE | _READ_FILE | _READ_DIR), 8, 0)
    for entry in Path("/").iterdir():
        if entry.name != _HOST:
            allowed = _EXECUTE | _READ_FILE | (_READ_DIR if entry.is_dir() else 0)
            file = os.open(entry, os.O_PATH | os.O_CLOEXEC)
            _call(_ADD_RULE, ruleset, _BENEATH_PATH, struct.pack("=Qi", allowed, file), 0)
            os.close(file)
    if _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    _call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _call(number: int, *arguments: int | bytes) -> int:
    result = _LIBC.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return int(result)


if __name__ == "__main__":
    try:
        restrict()
    except OSError as error:
        print(
            f"start.py: this host has no Landlock for containers ({error.strerror}): the exporter goes on, and could "
            "read every file of the host that anybody may read.",
            file=sys.stderr,
            flush=True,
        )
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 (no shell)
