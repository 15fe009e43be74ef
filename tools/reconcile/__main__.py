"""Runs the comparison: `python3 -m tools.reconcile --help`."""

from __future__ import annotations

import sys

from tools.reconcile.command import main

if __name__ == "__main__":
    sys.exit(main())
