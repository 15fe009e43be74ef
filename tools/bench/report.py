"""The report of a run: tables in Markdown for people, the same and everything raw as JSON for programs."""

from __future__ import annotations

import dataclasses
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.bench.engines import ENGINES, PEAK, REFERENCE
from tools.bench.options import Options
from tools.bench.results import Results
from tools.bench.services import SERVICES
from tools.bench.statistic import paired_ratio
from tools.bench.targets import Target, targets
from tools.cli import UsageError, percentile, say, write_json

SHARES = (0.50, 0.95, 0.99)
_NONE = "–"

Machine = Mapping[str, Any]
"""Hardware, limits and libraries by name, as candidates/machine.py prints them."""


class Report:
    """The report of one run, which grows with it.

    Attributes:
        options: of the run.
        results: its figures.
        machine: what it ran on.
    """

    def __init__(self, options: Options) -> None:
        """Make the folder.

        Raises:
            UsageError: it can't be made.
        """
        self.options, self.results, self.machine = options, Results(), dict[str, Any]()
        self._begun = time.monotonic()
        self._file = options.out / f"bench-{time.strftime('%Y%m%d-%H%M%S')}"
        try:
            options.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out {options.out} can't be made ({error}). Name another folder.") from error

    def save(self, *, complete: bool = False) -> None:
        """Write the JSON file with all that has been measured.

        Raises:
            UsageError: it can't be written.
        """
        if self.results.has_figures:
            self.machine["minutes"] = round((time.monotonic() - self._begun) / 60, 2)
            content = as_json(self.results, self.options, self.machine)
            write_json("--out", f"{self._file}.json", {"complete": complete, **content})

    def finish(self, *, complete: bool) -> None:
        """Print the tables, and write them and the JSON file.

        Raises:
            UsageError: they can't be written.
        """
        self.save(complete=complete)
        text = "\n".join(markdown(self.results, self.options, self.machine)) + "\n"
        sys.stdout.write(text)
        sys.stdout.flush()
        try:
            Path(f"{self._file}.md").write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--out {self.options.out} can't be written ({error}). Name another folder.") from error
        say(f"Written: {self._file}.md and .json, after {self.machine['minutes']} min")


def markdown(results: Results, options: Options, machine: Machine) -> Iterator[str]:
    """The report, line by line."""
    yield "# Comparison" if options.topologies is None else "# Topologies"
    yield ""
    yield (
        f"{machine.get('date')}, commit {machine.get('commit')}, {machine.get('cpu')} ({_instructions(machine)}), "
        f"{machine.get('cpus_available')} CPUs, "
        f"torch {machine.get('torch')}; {options.texts} texts, {options.rounds} rounds, seed {options.seed}, "
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


def as_json(results: Results, options: Options, machine: Machine) -> dict[str, Any]:
    """The run for programs: seconds, MiB, and ratios."""
    return {
        "machine": dict(machine),
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
    yield from _head(
        "Engines alone",
        "engine",
        "texts/s",
        "tokens/s",
        "least to most",
        "of the limit",
        "times fp32",
        "least cosine",
        "without the mean",
    )
    peak = results.token_rates(PEAK)
    for name, engine in ENGINES.items():
        rates = list(results.token_rates(name).values())
        if not rates:
            continue
        per_text = [1 / seconds for seconds in results.seconds_per_text(name).values()]
        yield _row(
            engine.title,
            f"{statistics.median(per_text):.2f}" if per_text else _NONE,
            f"{statistics.median(rates):.0f}",
            f"{min(rates):.0f} to {max(rates):.0f}",
            _percent(paired_ratio(results.token_rates(name), peak)),
            _times(paired_ratio(results.token_rates(name), results.token_rates(REFERENCE))),
            *(
                f"{cosines[name]:.6f}" if name in cosines else _NONE
                for cosines in (results.cosines, results.own_cosines)
            ),
        )


def _instructions(machine: Machine) -> str:
    limits = [f"{name}={value}" for name, value in machine.get("limited_by", {}).items()]
    return ", ".join([" ".join(machine.get("instructions", ())) or _NONE, *limits])


def _http(results: Results) -> Iterator[str]:
    yield from _head(
        "Over HTTP", "service", "clients", "texts/s", "least to most", "P50 ms", "P95 ms", "P99 ms", "answers", "errors"
    )
    for clients in _clients(results):
        for name in results.slices:
            rates = list(results.http_rates(name, clients).values())
            latencies = results.latencies(name, clients)
            if not latencies:
                continue
            errors = sum(sum(part.errors.values()) for part in results.measured(name, clients))
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
    yield from _head("Start and memory", "service", "first start s", "second start s", "PSS MiB")
    for name in results.first_start:
        yield _row(
            _title(name),
            f"{results.first_start[name]:.1f}",
            f"{results.second_start[name]:.1f}" if name in results.second_start else _NONE,
            f"{results.memory[name]:.0f}" if name in results.memory else _NONE,
        )


def _targets(found: Sequence[Target]) -> Iterator[str]:
    yield from _head("Targets", "what", "ratio", "target", "reached")
    for target in found:
        yield _row(
            target.name,
            _NONE if target.ratio is None else f"{target.ratio:.2f}",
            f"{'≥' if target.at_least else '≤'} {target.bound:g}",
            {True: "yes", False: "no", None: "not measured"}[target.reached],
        )


_NOTES = f"""\
- Candidates are measured one after the other within each round, on the same weights, with the same texts in the same
  round. Rates are medians over rounds; ratios are medians of the ratios of each round.
- The machine's limit is the six linear products of a layer for 512 tokens, by the fastest of torch's libraries, times
  the layers; attention, norms and activations come on top in every engine.
- Cosines are with {REFERENCE}, over three texts of 9 to 130 characters. All vectors of random weights have much in
  common; without the mean of them, what is each text's own is compared.
- Over HTTP each client sends its next text when it has the answer to the last (a closed loop). That hides stalls:
  while a service stalls, nothing is sent, so what users would have sent and waited for is missing from the
  percentiles. Errors are counted, and are not in texts/s.
- Memory is the PSS of all processes of the container after 16 requests of 8 clients, where no other candidate runs. A
  start ends with the first vector; the first one of ours includes preparing the weights."""


def _notes(results: Results, options: Options) -> Iterator[str]:
    yield from ("", "## Notes", "", _NOTES)
    if options.rounds == 1:
        yield "- One round has no spread: such figures are a first look, not a measurement."
    for warning in results.warnings:
        yield f"- **{warning}**"
    for failure in results.failures:
        yield f"- **{failure.name} failed: {failure.reason.splitlines()[0]}**"


def _clients(results: Results) -> list[int]:
    return sorted({part.clients for slices in results.slices.values() for part in slices if part.round})


def _title(name: str) -> str:
    return SERVICES[name].title if name in SERVICES else f"{name} (workers x torch threads)"


def _percent(ratio: float | None) -> str:
    return _NONE if ratio is None else f"{100 * ratio:.0f} %"


def _times(ratio: float | None) -> str:
    return _NONE if ratio is None else f"{ratio:.2f}"


def _head(title: str, *cells: str) -> Iterator[str]:
    yield from ("", f"## {title}", "", _row(*cells), _row("---", *("---:" for _ in cells[1:])))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
