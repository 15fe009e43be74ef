"""`python -m gte_monitoring FOLDER ADDRESS PORT`: serves the metrics of a folder until it is told to stop."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from gte_monitoring.exposition.exporter import run_exporter


def main() -> int:
    """Serve until a signal comes; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m gte_monitoring", description=__doc__)
    parser.add_argument("directory", type=Path, help="the folder of the metric files")
    parser.add_argument("address", help="where to listen")
    parser.add_argument("port", type=int, help="TCP port")
    parser.add_argument("--wait", action="store_true", help="wait for another exporter of this folder, don't end it")
    options = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    return run_exporter(options.directory, options.port, options.address, wait=options.wait)


if __name__ == "__main__":
    sys.exit(main())
