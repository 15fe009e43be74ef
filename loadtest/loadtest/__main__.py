"""Lets the package be started as `python -m loadtest`."""

import sys

from loadtest.command import main

sys.exit(main())
