"""Runs the benchmark: `python -m metrics_benchmark --help`."""

from __future__ import annotations

import sys

from metrics_benchmark.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
