"""Reads the two sides: access-log lines from the container engine, and counter samples from Prometheus."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from tools import cli, prometheus
from tools.launcher.compose import Compose

SERVICE = "gte-service"
REQUESTS, ERRORS, LATENCIES = "requests", "errors", "latency"
# Each counter that is compared: the report's name for it, and the label beside task_type.
_COUNTERS: Mapping[str, tuple[str, str]] = {
    "gte_task_requests_total": (REQUESTS, "status"),
    "gte_task_errors_total": (ERRORS, "reason"),
    "gte_task_latency_seconds_count": (LATENCIES, ""),
}
_START = "gte_counters_start_time_seconds"
_SELECTOR = f'{{__name__=~"{"|".join((_START, *_COUNTERS))}",job="gte-service"}}'
# One query returns some 120 series with 180 samples each, about a megabyte: far below Prometheus' limits.
_STEP_SECONDS = 900


class Key(NamedTuple):
    """A counter: `requests` by task and status, `errors` by task and reason, or `latency` by task."""

    metric: str
    task: str
    label: str


class Line(NamedTuple):
    """An access-log line of a task request; `time` is when it was counted, in seconds since 1970."""

    time: float
    task: str
    status: str
    reason: str = ""

    def counters(self) -> Iterator[Key]:
        """The counters that this request increased by one."""
        yield Key(REQUESTS, self.task, self.status)
        yield Key(LATENCIES, self.task, "")
        if self.reason:
            yield Key(ERRORS, self.task, self.reason)


@dataclass
class Scrape:
    """The counters of one replica as Prometheus read them at one moment; times in seconds since 1970."""

    time: float
    instance: str  # host:port of the replica
    start: float | None = None  # when its counters were 0; None if the exporter doesn't say
    counts: dict[Key, int] = field(default_factory=dict)


def read_lines(compose: Compose, begin: float, end: float) -> list[Line]:
    """The task requests in the log that the engine received in a range (seconds since 1970), in order of time.

    Raises:
        ToolError: the engine doesn't return the log.
    """
    span = ("--since", rfc_3339(begin), "--until", rfc_3339(end))
    log = _output(compose, "logs", "--no-color", "--no-log-prefix", *span, SERVICE)
    return sorted(line for text in log.split("\n") for line in _parse(text))


def read_log_begin(compose: Compose) -> float:
    """When the logs of all containers of the service are there from, in seconds since 1970.

    Raises:
        ToolError: there is no container, or one whose log is empty or can't be read.
    """
    containers = _output(compose, "ps", "--all", "--quiet", SERVICE).split()
    if not containers:
        raise cli.ToolError(f"{SERVICE} has no container, so there is no log. Start the stack: make up, or make demo")
    return max(_first_line(compose, container) for container in containers)


def read_scrapes(address: str, begin: float, end: float) -> list[Scrape]:
    """The scrapes of the service in a range (seconds since 1970), in order of time; `address` is Prometheus' host:port.

    Raises:
        ToolError: Prometheus doesn't answer, or refuses the query.
    """
    scrapes: dict[tuple[float, str], Scrape] = {}
    while begin < end:
        step = min(_STEP_SECONDS, end - begin)
        # A range query leaves its first moment out in Prometheus 3: ask for a second more. Samples aren't added twice.
        query = {"query": f"{_SELECTOR}[{int(1000 * step) + 1000}ms]", "time": f"{begin + step:.3f}"}
        for series in prometheus.ask(address, query):
            labels = series["metric"]
            for time, value in series["values"]:
                at = (float(time), labels.get("instance", ""))
                _add(scrapes.setdefault(at, Scrape(*at)), labels, float(value))
        begin += step
    return [scrape for _, scrape in sorted(scrapes.items())]


def rfc_3339(seconds: float) -> str:
    """A moment in RFC 3339, in UTC and milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(text: str) -> float:
    """Seconds since 1970 of an RFC 3339 time.

    Raises:
        ValueError: the text is no such time, or has no offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return moment.timestamp()


def _parse(text: str) -> Iterator[Line]:
    try:
        entry = json.loads(text)
        yield Line(seconds_of(entry["time"]), entry["task_type"], entry["status"], entry["reason"] or "")
    except (ValueError, KeyError, TypeError):
        return


def _output(compose: Compose, *arguments: str) -> str:
    done = compose.capture(*arguments)
    if done.returncode != 0:
        raise cli.ToolError(
            f"`docker compose {' '.join(arguments)}` ended with status {done.returncode}: {done.stderr.strip()}\n"
            f"Without it there is no log of {SERVICE}: does the stack run (make status)?"
        )
    return done.stdout


def _first_line(compose: Compose, container: str) -> float:
    # A log may be 30 MB long: read one line and leave.
    command = ["docker", "logs", "--timestamps", container]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=compose.environ, encoding="utf-8",
        errors="replace",
    ) as process:  # fmt: skip
        first = process.stdout.readline() if process.stdout else ""
        process.kill()
    try:
        return seconds_of(first.partition(" ")[0])
    except ValueError:
        raise cli.ToolError(
            f"The log of {SERVICE} is empty or can't be read: {first.strip() or 'no line'}. Does the service start "
            "(make status)? Its log driver must be one that can be read, as json-file in compose.yaml is."
        ) from None


def _add(scrape: Scrape, labels: Mapping[str, str], value: float) -> None:
    if labels["__name__"] == _START:
        scrape.start = value
    else:
        metric, label = _COUNTERS[labels["__name__"]]
        scrape.counts[Key(metric, labels["task_type"], labels.get(label, ""))] = round(value)
