"""Runs the comparison: `python3 -m tools.bench --help`."""

import sys

from tools.bench.command import main

sys.exit(main(sys.argv[1:]))
