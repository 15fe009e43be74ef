"""Writes the dashboards with their data into one file, on wish over the time of a load test."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import time
from pathlib import Path

from tools import cli, prometheus
from tools.dashboards.container import Container
from tools.launcher.commands import LOADTEST, Run
from tools.launcher.images import prepare_images

MARGIN_SECONDS = 30.0
"""Seconds of a report before its load test begins, so that a reader sees what the test changed."""
_LONGEST_WAIT_SECONDS = 60.0
_SCRAPED = 'min(timestamp(up{job="gte-service"} == 1))'


def write(container: Container, given: argparse.Namespace) -> int:
    """Write the report; returns the exit status, which is that of the load test where one was run.

    Raises:
        UsageError: an option can't be used, or the file can't be written.
        ToolError: the load test or Prometheus gives no result.
    """
    begin, end, status, result = given.begin, given.end, cli.OK, ""
    if given.load is not None:
        begun = time.time()
        status, result = _load(container.run, given.load)
        ended = _scraped(container.run, time.time())
        begin, end = (str(round(1000 * moment)) for moment in (begun - MARGIN_SECONDS, ended))
    elif given.result:
        result = _read(given.result)
    variables = [word for one in given.var for word in ("--var", one)]
    page, messages = container.freeze(["--from", begin, "--to", end, *variables], result)
    try:
        Path(given.out).parent.mkdir(parents=True, exist_ok=True)
        Path(given.out).write_text(page, encoding="utf-8")
    except OSError as error:
        raise cli.UsageError(f"--out {given.out} can't be written ({error}). Name another file.") from error
    print(f"{given.out}: {messages}")
    return status


def _load(run: Run, options: str) -> tuple[int, str]:
    """Run the load test; returns its exit status and its figures as JSON."""
    stack = run.compose.read()
    prepare_images(run.compose, stack, (LOADTEST,), run.settings)
    command = run.compose.command(
        "run", "--rm", "--no-deps", "-T", LOADTEST, *shlex.split(options), "--json", "-", profile=LOADTEST
    )
    # Its lines for people go to standard error, which stays ours.
    done = subprocess.run(
        command, cwd=run.compose.root, env=run.compose.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        encoding="utf-8", check=False,
    )  # fmt: skip
    if done.returncode not in {cli.OK, cli.FAILED}:
        raise cli.ToolError(f"the load test ended with {done.returncode}; its lines above say why.")
    return done.returncode, done.stdout


def _scraped(run: Run, moment: float) -> float:
    """Wait until Prometheus has scraped the service after a moment; returns when that was, in seconds since 1970."""
    address = prometheus.address(run.compose)
    deadline = time.monotonic() + _LONGEST_WAIT_SECONDS
    while time.monotonic() < deadline:
        found = prometheus.ask(address, {"query": _SCRAPED})
        if found and float(found[0]["value"][1]) > moment:
            return float(found[0]["value"][1])
        time.sleep(0.5)
    raise cli.ToolError(
        f"Prometheus has not scraped gte-service within {_LONGEST_WAIT_SECONDS:.0f} s after the load test. Does it "
        "run? make status"
    )


def _read(file: str) -> str:
    try:
        text = Path(file).read_text(encoding="utf-8")
        json.loads(text)
    except (OSError, ValueError) as error:
        raise cli.UsageError(
            f"--result {file} is not what the load test writes with --json ({error}). Name that file."
        ) from error
    return text
