"""The report of a run: a table for people, the same figures as JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from loadtest.comparison import SHARES, Count, rise, unread
from loadtest.histogram import Estimate, Histogram
from loadtest.latency import Latencies
from loadtest.options import Options
from loadtest.run import Figures
from loadtest.verdict import Verdict


def lines(figures: Figures, verdict: Verdict, options: Options) -> Iterator[str]:
    """The report for people, line by line."""
    client, model = figures.client, figures.model
    yield f"{options.scenario}: {options.connections} connections, {client.seconds:.1f} s, {client.requests} answers"
    yield f"model {model.name}, revision {model.revision}"
    if model.demo:
        yield "The demo model only compares characters: these figures say nothing about the speed of GTE."
    yield ""
    yield _row("", "client (wrk)", "server (Prometheus)")
    for count in verdict.counts:
        result = f"agrees ({count.client} to {count.most})" if count.agrees else "DISAGREES"
        yield _row(f"{count.task} {count.status}", str(count.client), f"{count.server:g}", result)
    server_qps = "-" if figures.server_qps is None else f"{figures.server_qps:.1f}"
    yield _row("requests per second", f"{client.qps:.1f}", server_qps)
    results = {tail.share: "agrees" if tail.agrees else "DISAGREES" for tail in verdict.tails}
    for share in SHARES:
        server = _estimate(verdict.all_latency.percentile(share))
        yield _row(f"P{100 * share:g}", _measured(client.measured, share), server, results.get(share, ""))
    for task, histogram in sorted(verdict.latency.items()):
        yield _row(f"P95 of {task}", "", _estimate(histogram.percentile(0.95)))
    for (task, reason), errors in sorted(rise(figures.before.errors, figures.after.errors).items()):
        yield _row(f"{task} {reason}", "", f"{errors:g}")
    yield ""
    yield from _notes(figures, verdict, options)
    yield ""
    for problem in verdict.problems:
        yield f"FAIL {problem}"
    if not verdict.problems:
        yield "The figures agree."


def _notes(figures: Figures, verdict: Verdict, options: Options) -> Iterator[str]:
    client = figures.client
    yield (
        f"Counts: when the time is up wrk leaves without reading the answers to what is in flight, at most one request "
        f"on each of {options.connections} connections; the server counted {unread(verdict.counts):g} of them."
    )
    if figures.server_qps is None:
        yield "Requests per second by Prometheus: fewer than two scrapes lie inside the run; let it run longer."
    yield (
        "Server percentiles come from a histogram: the true one lies between the two bounds, the figure behind them is "
        "interpolated. They agree if the histogram has no more slow requests than the client can explain. The client's "
        "time is longer: it includes the network and the wait for a free thread of the server."
    )
    added = client.corrected.total - client.measured.total
    yield (
        f"What these percentiles leave out: each of the {options.connections} connections sends its next request "
        "only after the last answer (a closed loop). While the service stalls nothing is sent, so what users would "
        "have sent and waited for in that time is missing (coordinated omission): their P95 is higher. wrk makes up "
        f"for that by adding {added} samples of its own, and then its P95 is {_measured(client.corrected, 0.95)}; "
        "this is an estimate, and the server's histogram has nothing like it."
    )


def _row(name: str, client: str, server: str, result: str = "") -> str:
    return f"  {name:<26}{client:>14}  {server:>30}  {result}".rstrip()


def _measured(latencies: Latencies, share: float) -> str:
    return f"{latencies.percentile(share) / 1000:.1f} ms" if latencies.total else "-"


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if math.isinf(estimate.high):
        return f"over {1000 * estimate.low:g} ms"
    return f"{1000 * estimate.low:g} to {1000 * estimate.high:g} ms, {1000 * estimate.value:.1f} ms"


def as_json(figures: Figures, verdict: Verdict, options: Options) -> dict[str, Any]:
    """The run for programs; times in seconds."""
    client = figures.client
    return {
        "scenario": options.scenario,
        "connections": options.connections,
        "seconds": client.seconds,
        "model": vars(figures.model),
        "counts": [_count(count) for count in verdict.counts],
        "client": {
            "qps": client.qps,
            "answers": {f"{task} {outcome}": count for (task, outcome), count in client.completed.items()},
            "socket_errors": dict(client.socket_errors),
            "percentiles": _client_percentiles(client.measured),
            "percentiles_corrected_by_wrk": _client_percentiles(client.corrected),
            "samples_added_by_wrk": client.corrected.total - client.measured.total,
        },
        "server": {
            "qps": figures.server_qps,
            "percentiles": _server_percentiles(verdict.all_latency),
            "percentiles_by_task": {task: _server_percentiles(seen) for task, seen in verdict.latency.items()},
        },
        "problems": verdict.problems,
        "agrees": not verdict.problems,
    }


def _count(count: Count) -> dict[str, str | float | bool]:
    return {
        "task_type": count.task,
        "status": count.status,
        "client": count.client,
        "server": count.server,
        "server_at_most": count.most,
        "agrees": count.agrees,
    }


def _client_percentiles(latencies: Latencies) -> dict[str, float]:
    return {f"p{100 * share:g}": latencies.percentile(share) / 1e6 for share in SHARES} if latencies.total else {}


def _server_percentiles(histogram: Histogram) -> dict[str, dict[str, float | None]]:
    found = {f"p{100 * share:g}": histogram.percentile(share) for share in SHARES}
    return {
        # JSON has no infinity: nothing is known above the last bound.
        name: {"low": seen.low, "high": None if math.isinf(seen.high) else seen.high, "value": seen.value}
        for name, seen in found.items()
        if seen is not None
    }
