"""`python3 -m tools.launcher VERB`: reads the command line and turns errors into one clear message."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.launcher import commands
from tools.launcher.console import complain
from tools.launcher.errors import LauncherError

_ROOT = Path(__file__).resolve().parents[2]
_INTERRUPTED = 130

VERBS: Mapping[str, Callable[[commands.Run], int]] = {
    "up": commands.up,
    "demo": commands.demo,
    "prepare": commands.prepare,
    "status": commands.status,
    "smoke": commands.smoke,
    "down": commands.down,
    "clean": commands.clean,
}


def main(arguments: list[str]) -> int:
    """Run one verb; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.launcher", description="Starts and checks the stack.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, command in VERBS.items():
        verbs.add_parser(name, help=(command.__doc__ or "").partition("\n")[0])
    verbs.add_parser("load", help=(commands.load.__doc__ or "").partition("\n")[0])
    # What follows `load` belongs to the load test, its --help too.
    given = parser.parse_args(arguments[:1] if arguments[:1] == ["load"] else arguments)
    try:
        run = commands.open_run(_ROOT, os.environ)
        return commands.load(run, arguments[1:]) if given.verb == "load" else VERBS[given.verb](run)
    except LauncherError as error:
        complain(f"\n{error}")
        return 1
    except KeyboardInterrupt:
        complain("\nInterrupted. What has started goes on running: make status shows it, make down stops it.")
        return _INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
