"""The form of the service's own log lines."""

from __future__ import annotations

import logging
import time


def configure() -> None:
    """Log to standard error, one line an event, times in UTC."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")
    logging.Formatter.converter = time.gmtime
    logging.getLogger("gte_service").setLevel(logging.INFO)
