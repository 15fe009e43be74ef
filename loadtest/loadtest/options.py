"""Reads the command line and the environment once into what a run is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import loadtest
from loadtest import wrk
from tools import cli
from tools.cli import UsageError, whole_number

SCENARIOS = tuple(sorted(path.stem for path in wrk.SCENARIOS.glob("*.lua") if path.stem != "scenario"))
# A run is bounded in time and size whatever it is asked for.
LONGEST_SECONDS = 600
MOST_CONNECTIONS = 256
MOST_THREADS = 16

EPILOG = """\
Settings (environment): LOADTEST_TARGET_URL is gte-service, http://127.0.0.1:5000 by default;
LOADTEST_PROMETHEUS_URL is Prometheus, http://prometheus:9090 by default; LOADTEST_API_KEYS_FILE is a file of API
keys, of which the first is sent.
""" + cli.EXIT_STATUS.format(good="the figures agree and the limits are met", bad="they don't")


@dataclass(frozen=True, kw_only=True)
class Options(wrk.Load):
    """What a run is.

    Attributes:
        prometheus_url: Prometheus.
        allowed: HTTP statuses other than 2xx that are no failure.
        max_p95_ms: limit of the client's P95 in milliseconds, None for no limit.
        min_qps: limit of requests per second, None for no limit.
        json_file: where to write the figures, None for nowhere, `-` for standard output.
    """

    prometheus_url: str
    allowed: frozenset[int]
    max_p95_ms: float | None
    min_qps: float | None
    json_file: str | None


def read_options(arguments: Sequence[str] | None, environment: Mapping[str, str]) -> Options:
    """The options of this run.

    Raises:
        UsageError: they contradict each other, or the file of API keys can't be used.
        SystemExit: with status 2, as argparse ends it.
    """
    given = _parser().parse_args(arguments)
    if given.connections % given.threads:
        raise UsageError(
            f"{given.connections} connections can't be shared evenly by {given.threads} threads, and wrk would "
            "leave some out: choose a multiple"
        )
    return Options(
        scenario=given.scenario,
        seconds=given.duration,
        connections=given.connections,
        threads=given.threads,
        timeout=given.timeout,
        target_url=(environment.get("LOADTEST_TARGET_URL") or "http://127.0.0.1:5000").rstrip("/"),
        prometheus_url=(environment.get("LOADTEST_PROMETHEUS_URL") or "http://prometheus:9090").rstrip("/"),
        allowed=frozenset(given.allow_status or ()),
        max_p95_ms=given.max_p95,
        min_qps=given.min_qps,
        json_file=given.json,
        api_key=_first_key(environment.get("LOADTEST_API_KEYS_FILE")),
    )


def _first_key(path: str | None) -> str:
    """The first key of the file that the service reads too; lines with # are comments."""
    if not path:
        return ""
    try:
        lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
        return next(line for line in lines if line and not line.startswith("#"))
    except (OSError, UnicodeDecodeError, StopIteration) as error:
        raise UsageError(
            f"LOADTEST_API_KEYS_FILE: no key can be read from {path} ({str(error) or 'it holds none'}): give it the "
            "file that GTE_API_KEYS_FILE names, readable for everyone"
        ) from None


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser("loadtest", str(loadtest.__doc__), EPILOG)
    add = parser.add_argument
    add("scenario", nargs="?", choices=SCENARIOS, default="mixed", help="what is sent (default: %(default)s)")
    add("-d", "--duration", type=whole_number(1, LONGEST_SECONDS), default=20, metavar="SECONDS", help="default: 20")
    add("-c", "--connections", type=whole_number(1, MOST_CONNECTIONS), default=8, metavar="N", help="default: 8")
    add("-t", "--threads", type=whole_number(1, MOST_THREADS), default=1, metavar="N", help="of wrk; default: 1")
    add("--timeout", type=whole_number(1, 120), default=30, metavar="SECONDS",
        help="an answer that takes longer counts as lost; default: 30")  # fmt: skip
    add("--allow-status", type=whole_number(300, 599), action="append", metavar="STATUS",
        help="an HTTP status that is not a failure, such as 503 in a test of overload; may be repeated")  # fmt: skip
    add("--max-p95", type=_positive, metavar="MS", help="fail if the client's P95 is higher")
    add("--min-qps", type=_positive, metavar="QPS", help="fail if fewer requests per second are answered")
    add("--json", metavar="FILE", help="write the figures as JSON too; - is standard output")
    return parser


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number
