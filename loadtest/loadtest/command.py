"""The command line: makes one run, tells of it, and ends with a status that says how it went."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtest.errors import LoadTestError, UsageError
from loadtest.judgement import Judgement
from loadtest.options import Options, read_options
from loadtest.report import as_json, lines
from loadtest.run import run
from loadtest.wrk import ClientFigures, run_wrk

DISAGREES, WRONG_USAGE, NO_FIGURES, INTERRUPTED = 1, 2, 3, 130


def main(
    arguments: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    send: Callable[[Options], ClientFigures] = run_wrk,
) -> int:
    """Makes a load test; returns the exit status."""
    try:
        options = read_options(arguments, environment)
        figures = run(options, send, _say)
        judgement = Judgement(figures, options)
        # JSON on standard output has it for itself.
        out = sys.stderr if options.json_file == "-" else sys.stdout
        for line in lines(figures, judgement, options):
            print(line, file=out)
        if options.json_file:
            _write_json(options.json_file, as_json(figures, judgement, options))
    except UsageError as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return WRONG_USAGE
    except LoadTestError as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return NO_FIGURES
    except KeyboardInterrupt:
        print("loadtest: interrupted; there are no figures", file=sys.stderr)
        return INTERRUPTED
    return DISAGREES if judgement.problems else 0


def _say(what: str) -> None:
    print(f"... {what}", file=sys.stderr, flush=True)


def _write_json(file: str, content: dict[str, Any]) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json can't be written: {error}; name a file that is writable, or -") from None
