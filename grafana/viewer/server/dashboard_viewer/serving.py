"""Runs the application: `python -m gunicorn -c python:dashboard_viewer.serving`.

The names in small letters are gunicorn's settings.
"""

import logging
import os
import sys
import time

from flask import Flask

from dashboard_viewer.settings import SettingsError, read_settings
from dashboard_viewer.web import create_app
from gte_monitoring.clients.patient_worker import most_connections

wsgi_app = "dashboard_viewer.serving:make_app()"
bind = ["0.0.0.0:3000"]
workers = 1
# Its threads wait for no client. A query is far shorter than the body that it would wait for.
worker_class = "gte_monitoring.clients.patient_worker.PatientWorker"
worker_connections = most_connections()
# As many queries as a browser sends at once to one host, and a few for files.
threads = 8
# The heartbeat file on a disk could block, and the root file system is read-only.
worker_tmp_dir = "/dev/shm"  # noqa: S108 - gunicorn makes its own private file there
# On by default, it wants a writable home, which the container has not.
control_socket_disable = True
# Below the ten seconds that Docker waits before it kills.
graceful_timeout = 8
proc_name = "dashboard-viewer"

logging.Formatter.converter = time.gmtime
logging.basicConfig(level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%S")
try:
    _settings = read_settings(os.environ)
except SettingsError as error:
    print(f"dashboard-viewer: {error}", file=sys.stderr)
    sys.exit(2)


def make_app() -> Flask:
    """Return the application, with the settings of the environment."""
    return create_app(_settings)
