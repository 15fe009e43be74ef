"""The command line: makes one run, writes its report, and ends with a status that says how it went."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tools.bench.console import say
from tools.bench.errors import BenchError, UsageError
from tools.bench.options import Options, read_options
from tools.bench.report import as_json, markdown
from tools.bench.results import Results
from tools.bench.run import run

CANDIDATE_FAILED, WRONG_USAGE, NO_FIGURES, INTERRUPTED = 1, 2, 3, 130

Measure = Callable[[Options], tuple[Results, dict[str, Any]]]


def main(arguments: Sequence[str], measure: Measure = run) -> int:
    """Make a run; returns the exit status."""
    # A polite kill cleans up as Ctrl-C does.
    before = signal.signal(signal.SIGTERM, _interrupt)
    begun = time.monotonic()
    try:
        options = read_options(arguments)
        results, facts = measure(options)
        if not results.engines and not results.slices:
            say("bench: no candidate gave a figure; the lines above say why.")
            return NO_FIGURES
        facts["minutes"] = round((time.monotonic() - begun) / 60, 2)
        _write(results, options, facts)
    except UsageError as error:
        say(f"bench: {error}")
        return WRONG_USAGE
    except BenchError as error:
        say(f"bench: {error}")
        return NO_FIGURES
    except KeyboardInterrupt:
        say("bench: interrupted; what had been started is gone, and no report was written.")
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    if results.failures:
        say(f"bench: failed: {', '.join(dict.fromkeys(failure.name for failure in results.failures))}")
    return CANDIDATE_FAILED if results.failures else 0


def _write(results: Results, options: Options, facts: dict[str, Any]) -> None:
    text = "\n".join(markdown(results, options, facts)) + "\n"
    sys.stdout.write(text)
    sys.stdout.flush()
    name = f"bench-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        content = json.dumps(as_json(results, options, facts), ensure_ascii=False, indent=1) + "\n"
        for suffix, written in ((".md", text), (".json", content)):
            Path(options.out, name + suffix).write_text(written, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {options.out} can't be written: {error}; name another folder.") from error
    say(f"Written: {options.out / name}.md and .json, after {facts['minutes']} min")


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt
