"""Runs the benchmark: `python -m tools.bench_metrics --help`."""

from __future__ import annotations

import sys

from tools.bench_metrics.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
