"""Starts the viewer: reads the settings, serves."""

import argparse
import logging
import os
import sys
import time

from dashboard_viewer.server import serve
from dashboard_viewer.settings import PORT, SettingsError, read_settings


def main() -> int:
    """Run until stopped; 2 for a wrong setting."""
    parser = argparse.ArgumentParser(
        prog="dashboard-viewer", description="Settings come from DASHBOARD_VIEWER_* variables."
    )
    parser.add_argument("--bind", default=f"0.0.0.0:{PORT}", metavar="ADDRESS:PORT", help="default: %(default)s")
    bind = parser.parse_args().bind
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    try:
        settings = read_settings(os.environ)
    except SettingsError as error:
        print(f"dashboard-viewer: {error}", file=sys.stderr)
        return 2
    serve(settings, bind)
    return 0


if __name__ == "__main__":
    sys.exit(main())
