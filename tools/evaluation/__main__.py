"""Runs the evaluation: `python3 -m tools.evaluation --help`."""

from __future__ import annotations

import sys

from tools.evaluation.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
