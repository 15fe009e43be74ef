"""One run: makes sure of the target, lets wrk send the load, and reads both sides' figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtest.options import Options
from loadtest.prometheus import Prometheus, Reading
from loadtest.target import check_target
from loadtest.wrk import ClientFigures, Load
from tools.cli import ToolError, ask, say

# Two scrapes and room for one that fails.
REST_BEFORE_SECONDS = 30.0
# Besides, a slow model may still work on what wrk has left behind.
REST_AFTER_SECONDS = 90.0


@dataclass(frozen=True)
class Model:
    """The model that answered."""

    name: str
    revision: str
    demo: bool


@dataclass(frozen=True)
class Figures:
    """What a run gave.

    Attributes:
        model: which model answered.
        client: what wrk saw.
        before: what gte-service had counted when it began, by Prometheus.
        after: what it had counted when all was over.
        server_qps: requests per second from the scrapes during the run, None when there were fewer than two.
    """

    model: Model
    client: ClientFigures
    before: Reading
    after: Reading
    server_qps: float | None


def run(options: Options, send: Callable[[Load], ClientFigures]) -> Figures:
    """Make one run.

    Args:
        options: what it is.
        send: sends the load and returns when it is over.

    Raises:
        ToolError: there are no figures, and why.
    """
    check_target(options.target_url)
    model = _ready_model(options.target_url)
    prometheus = Prometheus(options.prometheus_url)
    say("Waiting for Prometheus to have read what was counted before")
    before = prometheus.settled(prometheus.clock(), REST_BEFORE_SECONDS)
    say(f"Sending for {options.seconds} s")
    begin = prometheus.clock()
    client = send(options)
    end = prometheus.clock()
    say("Waiting for Prometheus to have read all that was sent")
    after = prometheus.settled(end, REST_AFTER_SECONDS)
    return Figures(model, client, before, after, prometheus.qps_inside(begin, end))


def _ready_model(url: str) -> Model:
    status, answer = ask(f"{url}/readyz")
    if status != 200:
        raise ToolError(f"{url} is not ready: {answer}; wait for it, or look at: docker compose logs gte-service")
    try:
        return Model(str(answer["model"]), str(answer["revision"]), bool(answer["demo"]))
    except (KeyError, TypeError):
        raise ToolError(f"{url}/readyz names no model and revision: {answer}") from None
