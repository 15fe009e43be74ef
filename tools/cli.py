"""What the command lines of this project share: errors, exit statuses, options, HTTP, JSON, and two statistics.

The load test's image holds this file too. It needs the standard library and nothing else.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, NoReturn, TypeVar
from urllib.parse import urlsplit

OK = 0
FAILED = 1
"""There is a result, and it is bad: figures disagree, a target is missed, a candidate failed."""
WRONG_USAGE = 2
"""An option or a setting can't be used; nothing was started. argparse uses the same number."""
NO_RESULT = 3
"""There is no result: something that was needed doesn't answer or can't be started."""
INTERRUPTED = 130

EXIT_STATUS = "Exit status: 0 {good}; 1 {bad}; 2 wrong usage; 3 there is no result; 130 interrupted."
"""For the end of a program's help: `EXIT_STATUS.format(good=…, bad=…)`."""

_Item = TypeVar("_Item")
_BEGUN = time.monotonic()


class ToolError(Exception):
    """Base of all errors that a tool raises on purpose. A message says what is wrong, why, and what to do."""

    status = NO_RESULT


class UsageError(ToolError):
    """An option or a setting can't be used."""

    status = WRONG_USAGE


class NoAnswerError(ToolError):
    """Nothing answers at an address, or not in JSON."""


def run(program: str, main: Callable[[], int], said: Callable[[str], str] = str) -> int:
    """Run a program's main function; returns the exit status.

    A ToolError becomes one line on standard error, which `said` may put into another language. SIGTERM ends the program
    as Ctrl-C does, so that it cleans up.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    for stream in (sys.stdout, sys.stderr):
        # A terminal whose character set lacks one of ours, or of Docker's, shows `?` in its place.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        status = main()
        sys.stdout.flush()
        return status
    except ToolError as error:
        print(f"{program}: {said(str(error))}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        print(f"{program}: {said('interrupted')}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (`| head`). Python would try to write what is left once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def say(text: str) -> None:
    """Print a line of progress to standard error at once, with the seconds since the start."""
    print(f"{time.monotonic() - _BEGUN:5.0f} s  {text}", file=sys.stderr, flush=True)


# Options


def parser(program: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """A parser that keeps the line breaks of its texts and accepts no abbreviated option."""
    return argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """An option's type: a whole number from `least` to `most`, both included."""

    def read(text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}")
        return number

    return read


def one_of(names: Sequence[str]) -> Callable[[str], str]:
    """An option's type: one of these words."""

    def read(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(names)}")
        return text

    return read


def list_of(read: Callable[[str], _Item]) -> Callable[[str], tuple[_Item, ...]]:
    """An option's type: different items of another type, separated by commas."""

    def read_list(text: str) -> tuple[_Item, ...]:
        items = tuple(read(word.strip()) for word in text.split(","))
        if len(set(items)) < len(items):
            raise argparse.ArgumentTypeError(f"{text!r} names something twice")
        return items

    return read_list


# JSON, to a file and over HTTP


def write_json(option: str, file: str | Path, content: Any) -> None:
    """Write indented JSON to a file, or to standard output if it is called `-`.

    Args:
        option: the command line's name for the file, for the message.
        file: its path, or `-`.
        content: of types that JSON knows.

    Raises:
        UsageError: the file can't be written.
    """
    text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    if str(file) == "-":
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{option} {file} can't be written ({error}). Name another file.") from error


class Answer(NamedTuple):
    """An answer over HTTP: its status, and the JSON value of its body."""

    status: int
    body: Any


def ask(
    url: str, content: Any = None, *, headers: Mapping[str, str] | None = None, timeout_seconds: float = 30.0
) -> Answer:
    """Send a GET request, or a POST of `content` as JSON.

    `http.client` instead of `urllib.request`: no proxy of the environment and no redirect may come between.

    Raises:
        NoAnswerError: there is no answer, or its body is not JSON.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout_seconds)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    data = b""
    try:
        if content is None:
            connection.request("GET", target, headers=dict(headers or {}))
        else:
            body = json.dumps(content, ensure_ascii=False).encode()
            connection.request("POST", target, body, {"Content-Type": "application/json", **(headers or {})})
        response = connection.getresponse()
        data = response.read()
        return Answer(response.status, json.loads(data))
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(
            f"{url} doesn't answer ({error or type(error).__name__}). Does the stack run, and is this its address? "
            "`make status` lists both."
        ) from error
    except (ValueError, RecursionError) as error:
        raise NoAnswerError(f"{url} answers with something that is not JSON: {data[:120]!r}") from error
    finally:
        with suppress(OSError):
            connection.close()


# Statistics


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest measured value that at least `share` (above 0, up to 1) of all values don't exceed (nearest rank).

    Raises:
        ValueError: there are no values, or the share is out of range.
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"no percentile {share} of {len(values)} values")
    # A product such as 0.07 * 100 lies a hair above the whole number that is meant.
    return sorted(values)[math.ceil(share * len(values) - 1e-9) - 1]


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of two vectors of the same length; 0 where one of them is 0.

    Raises:
        ValueError: they differ in length.
    """
    product = math.fsum(a * b for a, b in zip(one, other, strict=True))
    lengths = math.hypot(*one) * math.hypot(*other)
    return product / lengths if lengths else 0.0
