"""`python3 -m tools.launcher VERB`: the command line behind `make up` and its siblings."""

from __future__ import annotations

import argparse
import os
import sys

from tools import ROOT, chinese, cli
from tools.launcher import commands
from tools.launcher.console import show

_STATUS = cli.EXIT_STATUS.format(good="done", bad="a service is not healthy, or a check failed")


def main(arguments: list[str]) -> int:
    """Run one verb; returns the exit status."""
    verbs = {verb: command.__doc__ for verb, command in {**commands.VERBS, **commands.WITH_ARGUMENTS}.items()}
    listing = "\n".join(f"  {verb:<12} {description}" for verb, description in verbs.items())
    parser = cli.parser("python3 -m tools.launcher", "Starts, checks and removes the stack.", f"{listing}\n\n{_STATUS}")
    parser.add_argument("verb", choices=verbs, metavar="VERB", help="one of those below")
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="for load: options of the load test; for logs: services"
    )
    given = parser.parse_args(arguments)
    if given.arguments and given.verb not in commands.WITH_ARGUMENTS:
        parser.error(f"{given.verb} takes no arguments")
    chinese.speak_the_locales_language(os.environ)
    return cli.run(f"make {given.verb}", lambda: _run(given.verb, given.arguments), chinese.said)


def _run(verb: str, arguments: list[str]) -> int:
    try:
        anew = verb in {*commands.STARTING, "prepare"}
        run = commands.open_run(ROOT, os.environ, may_install=anew, anew=anew)
        if verb in commands.WITH_ARGUMENTS:
            return commands.WITH_ARGUMENTS[verb](run, arguments)
        return commands.VERBS[verb](run)
    except KeyboardInterrupt:
        if verb in commands.STARTING:
            show("\nContainers that were started keep running: make status shows them, make down stops them.")
        raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
