"""Tells of a run: tables in Markdown for people, the same and everything raw as JSON for programs."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.bench.engines import ENGINES, PEAK, REFERENCE
from tools.bench.options import Options
from tools.bench.results import Results
from tools.bench.services import OURS_4_WORKERS, SERVICES
from tools.bench.statistic import paired_ratio, percentile
from tools.bench.targets import Target, targets

SHARES = (0.50, 0.95, 0.99)
_NONE = "–"

Facts = Mapping[str, Any]
"""What the machine is, by name (see bench/candidates/facts.py)."""


def markdown(results: Results, options: Options, facts: Facts) -> Iterator[str]:
    """The report, line by line."""
    yield "# Comparison" if options.topologies is None else "# Topologies"
    yield ""
    yield (
        f"{facts.get('date')}, commit {facts.get('commit')}, {facts.get('cpu')}, {facts.get('cpus_available')} CPUs, "
        f"torch {facts.get('torch')}; {options.texts} texts, {options.rounds} rounds, seed {options.seed}, "
        f"{options.shape} shape."
    )
    if options.shape != "full":
        yield ""
        yield "**A tiny model: these figures say nothing about GTE.**"
    if results.engines:
        yield from _engines(results)
    if results.slices:
        yield from _http(results)
    if results.first_start and options.topologies is None:
        yield from _starts(results)
    if options.topologies is None:
        yield from _targets(targets(results))
    yield from _notes(results, options)


def as_json(results: Results, options: Options, facts: Facts) -> dict[str, Any]:
    """The run for programs: seconds, MiB, and ratios."""
    return {
        "machine": dict(facts),
        "options": {
            name: sorted(value) if isinstance(value, frozenset) else str(value) if name == "out" else value
            for name, value in vars(options).items()
        },
        "results": dataclasses.asdict(results),
        "latencies": [
            {
                "service": name,
                "clients": clients,
                "requests": len(latencies),
                "mean": statistics.fmean(latencies),
                **{f"p{100 * share:g}": percentile(latencies, share) for share in SHARES},
            }
            for name in results.slices
            for clients in _clients(results)
            if (latencies := results.latencies(name, clients))
        ],
        "targets": [{**vars(target), "reached": target.reached} for target in targets(results)],
    }


def _engines(results: Results) -> Iterator[str]:
    yield from _heading("Engines alone")
    yield from _head(
        "engine", "texts/s", "tokens/s", "least to most", "of the limit", "least cosine", "without the mean"
    )
    peak = results.token_rates(PEAK)
    for name in (PEAK, *ENGINES):
        rates = list(results.token_rates(name).values())
        if not rates:
            continue
        per_text = [1 / seconds for seconds in results.seconds_per_text(name).values()]
        yield _row(
            "the machine's limit (matrix products alone)" if name == PEAK else ENGINES[name].title,
            f"{statistics.median(per_text):.2f}" if per_text else _NONE,
            f"{statistics.median(rates):.0f}",
            f"{min(rates):.0f} to {max(rates):.0f}",
            _percent(paired_ratio(results.token_rates(name), peak)),
            *(
                f"{cosines[name]:.6f}" if name in cosines else _NONE
                for cosines in (results.cosines, results.own_cosines)
            ),
        )


def _http(results: Results) -> Iterator[str]:
    yield from _heading("Over HTTP")
    yield from _head(
        "service", "clients", "texts/s", "least to most", "P50 ms", "P95 ms", "P99 ms", "answers", "errors"
    )
    for clients in _clients(results):
        for name in results.slices:
            rates = list(results.http_rates(name, clients).values())
            latencies = results.latencies(name, clients)
            if not latencies:
                continue
            errors = sum(sum(found.errors.values()) for found in results.measured(name, clients))
            yield _row(
                _title(name),
                str(clients),
                f"{statistics.median(rates):.2f}",
                f"{min(rates):.2f} to {max(rates):.2f}",
                *(f"{1000 * percentile(latencies, share):.0f}" for share in SHARES),
                str(len(latencies)),
                str(errors),
            )


def _starts(results: Results) -> Iterator[str]:
    yield from _heading("Start and memory")
    yield from _head("service", "first start s", "second start s", "PSS MiB")
    for name in results.first_start:
        yield _row(
            _title(name),
            f"{results.first_start[name]:.1f}",
            f"{results.second_start[name]:.1f}" if name in results.second_start else _NONE,
            f"{results.memory[name]:.0f}" if name in results.memory else _NONE,
        )


def _targets(found: Sequence[Target]) -> Iterator[str]:
    yield from _heading("Targets")
    yield from _head("what", "ratio", "target", "reached")
    for target in found:
        yield _row(
            target.what,
            _NONE if target.ratio is None else f"{target.ratio:.2f}",
            f"{'≥' if target.at_least else '≤'} {target.bound:g}",
            {True: "yes", False: "no", None: "not measured"}[target.reached],
        )


def _notes(results: Results, options: Options) -> Iterator[str]:
    yield from _heading("Notes")
    yield (
        "- Candidates take turns within each round, on the same weights, with the same texts in the same round. Rates "
        "are medians over rounds; ratios are medians of the ratios of each round."
    )
    if results.engines:
        yield (
            "- The limit is the six linear products of a layer for 512 tokens, by the fastest of torch's libraries, "
            "times the layers; attention, norms and activations come on top in every engine."
        )
    if results.cosines:
        yield (
            f"- Cosines are with {REFERENCE}, over three texts of 9 to 130 characters. All vectors "
            "of random weights have much in common; without the mean of them, what is each text's own is compared."
        )
    if results.slices:
        yield (
            "- Over HTTP each client sends its next text when it has the answer to the last (a closed loop). That "
            "hides stalls: while a service stalls, nothing is sent, so what users would have sent and waited for is "
            "missing from the percentiles. Errors are counted and are no throughput."
        )
    if results.memory:
        yield (
            "- Memory is the PSS of all processes of the container, read after 16 requests of 8 clients or more, where "
            "no other container of the same image runs. A start ends with the first vector; the first one of ours "
            "includes preparing the weights."
        )
    if options.rounds == 1:
        yield "- One round has no spread: such figures are a first look, not a measurement."
    for warning in results.warnings:
        yield f"- **{warning}**"
    for failure in results.failures:
        yield f"- **{failure.name} failed: {failure.reason.splitlines()[0]}**"


def _clients(results: Results) -> list[int]:
    return sorted({found.clients for slices in results.slices.values() for found in slices if found.round})


def _title(name: str) -> str:
    if name == OURS_4_WORKERS:
        return "ours, fp32, 4 workers"
    return SERVICES[name].title if name in SERVICES else f"{name} (workers x torch threads)"


def _percent(ratio: float | None) -> str:
    return _NONE if ratio is None else f"{100 * ratio:.0f} %"


def _heading(text: str) -> Iterator[str]:
    yield from ("", f"## {text}", "")


def _head(*cells: str) -> Iterator[str]:
    yield _row(*cells)
    yield _row("---", *("---:" for _ in cells[1:]))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
