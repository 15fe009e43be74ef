"""Runs the benchmark: `python -m tools.bench_metrics --help`."""

from __future__ import annotations

import sys

from tools import cli
from tools.bench_metrics.command import main

if __name__ == "__main__":
    sys.exit(cli.run("bench-metrics", lambda: main(sys.argv[1:])))
