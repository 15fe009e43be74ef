"""Pulls images, and gives up where their registry is silent."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress

from tools.launcher.console import show

ANSWER_SECONDS = 30.0
"""How long a registry may take to name the first layer."""
STALL_SECONDS = 120.0
"""How long the downloads may stand still. While one of them goes on, they may take as long as they like."""
REPORT_SECONDS = 10.0
"""How often the progress of the downloads is printed."""


def pull(
    images: Sequence[str], answer_seconds: float = ANSWER_SECONDS, stall_seconds: float = STALL_SECONDS
) -> dict[str, str]:
    """Pull images side by side; prints a line of progress every REPORT_SECONDS.

    Returns:
        the reason, in the engine's words, for each image that can't be pulled.
    """
    # Not `docker pull`: off a terminal it prints nothing while a layer arrives.
    command = ["docker", "compose", "--file", "-", "--progress", "plain", "pull", "--ignore-pull-failures"]
    services = {f"image-{number}": image for number, image in enumerate(images)}
    project = {"name": "pull", "services": {name: {"image": image} for name, image in services.items()}}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 (pipes, as asked for)
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(json.dumps(project).encode())
        lines, silence = _follow(process.stdout.fileno(), len(images), answer_seconds, stall_seconds)
        if silence:
            process.terminate()
    reasons = dict.fromkeys(images, f"the registry sent nothing for {silence:.0f} s") if silence else {}
    for line in lines:
        subject, failed, reason = line.partition(" Error ")
        if failed:
            # Compose 2 names the service, Compose 5 the image.
            reasons[services.get(subject, subject.removeprefix("Image "))] = reason
    return reasons


def _follow(output: int, begun: int, answer_seconds: float, stall_seconds: float) -> tuple[set[str], float]:
    """Read lines until the output ends or nothing new comes.

    Args:
        output: the file descriptor.
        begun: how many lines only repeat the command.
        answer_seconds: the longest silence before the first line that is more than that.
        stall_seconds: the longest silence afterwards.

    Returns:
        the different lines, and how many seconds of silence ended the reading, 0 if the output has ended.
    """
    seen: set[str] = set()
    moved = reported = time.monotonic()
    while True:
        limit = stall_seconds if len(seen) > begun else answer_seconds
        left = moved + limit - time.monotonic()
        if left <= 0 or not select.select([output], [], [], left)[0]:
            return seen, limit
        block = os.read(output, 1 << 16)
        if not block:
            return seen, 0.0
        lines = [line.strip() for line in block.decode(errors="replace").splitlines() if line.strip()]
        # An engine may repeat its last line for as long as nothing arrives.
        if not seen.issuperset(lines):
            seen.update(lines)
            moved = time.monotonic()
        if lines and time.monotonic() - reported > REPORT_SECONDS and " Error " not in lines[-1]:
            reported = time.monotonic()
            show(f"  {lines[-1]}")
