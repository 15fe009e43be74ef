"""The command line: makes one run, prints its table, and ends with a status that says whether targets are reached."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence

from tools.bench_metrics.console import say
from tools.bench_metrics.errors import BenchmarkError, UsageError
from tools.bench_metrics.machine import describe
from tools.bench_metrics.options import Options, read_options
from tools.bench_metrics.recording import measure_over_http, measure_recording
from tools.bench_metrics.report import lines
from tools.bench_metrics.restarts import measure_pids, measure_slots
from tools.bench_metrics.results import Results, targets
from tools.bench_metrics.scrape import measure_service, measure_worst_case

MISSED, WRONG_USAGE, NO_FIGURES, INTERRUPTED = 1, 2, 3, 130
# Medians need fewer turns over HTTP, where a request takes ten times as long, and scrapes of hundreds of files fewer.
_HTTP_SHARE = 10
_PID_SHARE = 50
_LEAST = 3

Measure = Callable[[Options], Results]


def measure(options: Options) -> Results:
    """Measure everything that was asked for.

    Raises:
        MeasuringError: a process of the benchmark failed.
    """
    results = Results()
    if "recording" in options.parts:
        places = {"memory": options.memory} | ({"disk": options.disk} if options.disk else {})
        results.recorded = measure_recording(options.rounds, options.requests, places)
    if "http" in options.parts:
        rounds = max(_LEAST, options.rounds // _HTTP_SHARE)
        results.over_http = measure_over_http(rounds, options.requests, options.memory)
    if "scrape" in options.parts:
        results.scrapes += measure_service(options.scrapes, options.memory)
        results.scrapes.append(measure_worst_case(options.scrapes, options.memory))
    if "restarts" in options.parts:
        results.slots = measure_slots(options.restarts, options.scrapes, options.memory)
        scrapes = max(_LEAST, options.scrapes // _PID_SHARE)
        results.pids = measure_pids(options.pid_restarts, scrapes, options.memory)
    return results


def main(arguments: Sequence[str], measure: Measure = measure) -> int:
    """Make a run; returns the exit status."""
    # A polite kill cleans up as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        options = read_options(arguments)
        machine = describe()
        results = measure(options)
    except UsageError as error:
        say(f"bench-metrics: {error}")
        return WRONG_USAGE
    except BenchmarkError as error:
        say(f"bench-metrics: {error}")
        return NO_FIGURES
    except KeyboardInterrupt:
        say("bench-metrics: interrupted; what had been started is gone, and there are no figures.")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    print("\n".join(lines(results, machine)), flush=True)
    missed = sum(not target.reached for target in targets(results))
    if missed:
        say(f"bench-metrics: {missed} of {len(list(targets(results)))} targets missed.")
    return MISSED if missed else 0


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
