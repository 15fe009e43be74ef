"""Prints the memory of all processes of the container that it runs in, as MiB of PSS, without its own.

PSS counts a page that several processes share in parts, so the sum over all of them counts it once.
"""

from __future__ import annotations

import os
from pathlib import Path


def main() -> None:
    """Add up /proc/*/smaps_rollup."""
    kib = 0
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            lines = (folder / "smaps_rollup").read_text(encoding="ascii").splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    print(kib / 1024)


if __name__ == "__main__":
    main()
