"""Finds what is wrong with a run: figures that disagree, answers that are failures, limits that are missed."""

from __future__ import annotations

from collections.abc import Iterator

from loadtest.comparison import Count, Tail, compare_counts, compare_tails, server_latency, unread, unread_at_most
from loadtest.histogram import Histogram
from loadtest.options import Options
from loadtest.run import Figures


class Verdict:
    """The outcome of a run, from the figures of both sides.

    Attributes:
        unread_most: how many requests the server may have counted that the client has no answers for.
        counts: requests by task and status, on both sides.
        latency: the server's latencies in this run, by task.
        all_latency: the same over all tasks.
        tails: slow requests on both sides.
        problems: what is wrong, one sentence each; empty when the run is good.
    """

    def __init__(self, figures: Figures, options: Options) -> None:
        self.unread_most = unread_at_most(figures.client, options.connections)
        self.counts: list[Count] = compare_counts(figures.client, figures.before, figures.after, self.unread_most)
        self.latency = server_latency(figures.before, figures.after)
        self.all_latency = Histogram({})
        for histogram in self.latency.values():
            self.all_latency = self.all_latency.plus(histogram)
        self.tails: list[Tail] = list(compare_tails(figures.client, self.all_latency))
        self.problems = [
            *self._disagreements(),
            *_failures(figures, options),
            *_missed(figures, options),
        ]

    def _disagreements(self) -> Iterator[str]:
        wrong = [count for count in self.counts if not count.agrees]
        for count in wrong:
            yield (
                f"the client read {count.client} answers for {count.task} with the status {count.status}, Prometheus "
                f"shows {count.server:g} more than before; between {count.client} and {count.most} are right"
            )
        if any(count.server < 0 for count in wrong):
            yield "a counter went back: gte-service was started anew, or a replica has gone, during the run"
        elif any(count.server > count.most for count in wrong):
            yield "gte-service counted requests that are not of this run: run again without other traffic"
        if not wrong and unread(self.counts) > self.unread_most:
            yield (
                f"the server counted {unread(self.counts):g} requests more than the client has answers for, but only "
                f"{self.unread_most} can have been in flight at the end or lost with a connection"
            )
        observed, counted = self.all_latency.total, sum(count.server for count in self.counts)
        if observed != counted:
            yield f"gte_task_latency_seconds counted {observed:g} requests, gte_task_requests_total {counted:g}"
        for tail in self.tails:
            if not tail.agrees:
                yield (
                    f"{tail.server:g} requests took the server longer than {tail.bound:g} s, but only {tail.most} can "
                    "have: no more took the client that long"
                )


def _failures(figures: Figures, options: Options) -> Iterator[str]:
    for (task, outcome), count in sorted(figures.client.completed.items()):
        if outcome not in {"200", *map(str, options.allowed)}:
            yield f"{count} answers for {task} had the status {outcome}"
    for kind, count in sorted(figures.client.socket_errors.items()):
        meaning = f"took longer than {options.timeout} s" if kind == "timeout" else f"broke off at {kind}"
        yield f"{count} requests {meaning}"
    if not figures.client.requests:
        yield "no request was answered"


def _missed(figures: Figures, options: Options) -> Iterator[str]:
    client = figures.client
    if not client.measured.total:
        return
    p95 = client.measured.percentile(0.95) / 1000
    if options.max_p95_ms is not None and p95 > options.max_p95_ms:
        yield f"P95 is {p95:.1f} ms, the limit is {options.max_p95_ms:g} ms"
    if options.min_qps is not None and client.qps < options.min_qps:
        yield f"{client.qps:.1f} requests per second were answered, the limit is {options.min_qps:g}"
