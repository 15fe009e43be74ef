"""The programs that `make` runs on the host. They need Python's standard library and Docker, nothing else."""

import sys
from pathlib import Path

# `%` and not an f-string: an older Python must be able to read this file before it is told so.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("Python 3.11 or later is needed, this is %d.%d: make PYTHON=python3.11 TARGET" % sys.version_info[:2])  # noqa: UP031

ROOT = Path(__file__).resolve().parents[1]
"""The checkout: the folder of compose.yaml."""
