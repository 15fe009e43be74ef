"""The commands: python3 -m tools.dashboards check|report|screenshots --help."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tools import ROOT, cli, dashboards
from tools.dashboards import report, screenshots
from tools.dashboards.container import Container
from tools.launcher.commands import open_run
from tools.launcher.settings import DASHBOARD_LANGUAGES

_VERBS = """\
  check        units, reducers, transformations, colours, and keys that the viewer doesn't honour; with --data also
               queries, panels without data, and the words and colours of stats and tables
  report       one HTML file with the dashboards and their data, which opens without a network
  screenshots  of the running stack's pages, in English and Chinese, into docs/screenshots

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = cli.parser(
        "python3 -m tools.dashboards", str(dashboards.__doc__), _VERBS + cli.EXIT_STATUS.format(good="good", bad="bad")
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser("check", allow_abbrev=False)
    check.add_argument("--data", action="store_true", help="ask the running Prometheus too")
    written = verbs.add_parser("report", allow_abbrev=False)
    written.add_argument("--load", metavar="OPTIONS", help="run the load test first, and report on its time")
    written.add_argument("--result", metavar="FILE", help="the figures of a load test (its --json), to stand on top")
    written.add_argument("--var", action="append", default=[], metavar="NAME=VALUE", help="a variable of a dashboard")
    written.add_argument("--out", default="results/report.html", metavar="FILE", help="default: %(default)s")
    for one in (check, written):
        one.add_argument("--from", dest="begin", default="now-30m", metavar="TIME", help="default: %(default)s")
        one.add_argument("--to", dest="end", default="now", metavar="TIME", help="default: %(default)s")
        one.add_argument("dashboards", nargs="*", metavar="FILE", help="default: all of grafana/dashboards")
    written.add_argument("--language", choices=DASHBOARD_LANGUAGES, help="default: DASHBOARD_LANGUAGE, else en")
    pictures = verbs.add_parser("screenshots", allow_abbrev=False)
    pictures.add_argument("--chromium", metavar="PROGRAM", help="default: the first one on the PATH")
    pictures.add_argument(
        "--states", action="store_true", help="whole dashboards, healthy, loaded and paused, into results/screenshots"
    )
    given = parser.parse_args(arguments)
    run = open_run(ROOT, os.environ)
    if given.verb == "screenshots":
        return screenshots.take(run.compose, given.chromium, states=given.states)
    if given.verb == "report":
        language = given.language or run.settings.get("DASHBOARD_LANGUAGE") or "en"
        return report.write(Container(run, _names(given.dashboards, language)), given)
    return Container(run, _names(given.dashboards)).check(_range(given) if given.data else ())


def _range(given: argparse.Namespace) -> tuple[str, ...]:
    return ("--from", given.begin, "--to", given.end)


def _names(files: Sequence[str], language: str = "*") -> list[str]:
    """The files' places in the folder that the container sees; without any, all of a language.

    Raises:
        UsageError: a file doesn't lie in that folder.
    """
    folder = ROOT / "grafana" / "dashboards"
    paths = [Path(file).resolve() for file in files] or sorted(folder.glob(f"{language}/*.json"))
    for path in paths:
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            raise cli.UsageError(f"{path} is no file of {folder}. Put the dashboard there.")
    return [path.relative_to(folder.resolve()).as_posix() for path in paths]


if __name__ == "__main__":
    sys.exit(cli.run("dashboards", main))
