"""Lets the package be started as `python -m smoke`."""

import sys

from smoke.command import main

sys.exit(main())
