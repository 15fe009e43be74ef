"""Starts the inbox: reads the settings, prepares the database, serves."""

import argparse
import logging
import os
import sys
import time

from alert_inbox.errors import SettingsError, StoreError
from alert_inbox.server import serve
from alert_inbox.settings import INSIDE_PORT, PORT, read_settings
from alert_inbox.store import Store


def main() -> int:
    """Run until stopped; 2 for a wrong setting, 1 for a database that can't be used."""
    parser = argparse.ArgumentParser(prog="alert-inbox", description="Settings come from ALERT_INBOX_* variables.")
    parser.add_argument("--bind", default=f"0.0.0.0:{PORT}", metavar="ADDRESS:PORT", help="default: %(default)s")
    parser.add_argument(
        "--inside",
        default=f"0.0.0.0:{INSIDE_PORT}",
        metavar="ADDRESS:PORT",
        help="where Alertmanager posts without a token; publish it nowhere; default: %(default)s",
    )
    arguments = parser.parse_args()
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S"
    )
    try:
        settings = read_settings(os.environ)
        # Here, not only in the worker: a fault then gives one line instead of a worker that dies again and again.
        Store(settings.database, settings.max_notifications).create()
    except SettingsError as error:
        print(f"alert-inbox: {error}", file=sys.stderr)
        return 2
    except StoreError as error:
        print(f"alert-inbox: {error}", file=sys.stderr)
        return 1
    serve(settings, arguments.bind, arguments.inside)
    return 0


if __name__ == "__main__":
    sys.exit(main())
