"""Starts the load test: `python -m loadtest --help`."""

import sys

from loadtest.command import main

sys.exit(main())
