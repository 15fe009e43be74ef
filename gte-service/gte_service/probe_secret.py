"""The secret by which workers recognise the questions that the service asks itself.

The supervisor makes a new one at each start and keeps it in the run folder, in a file that only its own user can read:
no client can know it.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

HEADER = "X-GTE-Probe"
_FILE = "probe-secret"
_BYTES = 32


def make_secret(run_dir: Path) -> None:
    """Write a new secret into the run folder, which holds none.

    Raises:
        OSError: there is one already, or the folder can't be written.
    """
    handle = os.open(run_dir / _FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_BYTES))


def read_secret(run_dir: Path) -> str:
    """The secret in the run folder, "" where there is none: then nobody knows it, and the service asks nothing."""
    try:
        return (run_dir / _FILE).read_text(encoding="ascii")
    except OSError:
        return ""


def is_secret(sent: str, secret: str) -> bool:
    """Whether a header's value is the secret; the time this takes tells nothing about it. "" is never the secret."""
    return bool(secret) and hmac.compare_digest(sent.encode("utf-8", "replace"), secret.encode("ascii"))
