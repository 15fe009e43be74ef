"""Asks about known vulnerabilities of every locked package, and writes a bill of materials of each of our images.

The bills (CycloneDX, JSON) and the databases' answers go to results/audit. PyPI is asked about Python's packages, npm's
registry about those of the viewer's page. Mirrors of packages rarely can be, and no answer never counts as a good one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tools import ROOT, cli
from tools.audit.databases import Answer, ask_about_npm, ask_about_python
from tools.audit.images import write_bills
from tools.environment import AUDIT, ensure
from tools.launcher.commands import open_run

_RESULTS = ROOT / "results" / "audit"


def main() -> int:
    """Write and ask; returns the exit status."""
    parser = cli.parser(
        "make audit", __doc__ or "", cli.EXIT_STATUS.format(good="nothing is known", bad="a vulnerability is known")
    )
    parser.add_argument(
        "--osv-url", default="", metavar="URL", help="ask this mirror of api.osv.dev/v1/query, not PyPI"
    )
    given = parser.parse_args()
    _RESULTS.mkdir(parents=True, exist_ok=True)
    python = ensure(AUDIT)
    stack = open_run(ROOT, os.environ).compose.read()
    built = [service for service in stack.services.values() if service.built]
    missing = write_bills(python, built, _RESULTS)
    answers = [*ask_about_python(python, _RESULTS, given.osv_url), ask_about_npm(_RESULTS)]
    print(f"\n{_RESULTS.relative_to(ROOT)} has the bills of materials and the answers.", flush=True)
    return report(answers, missing)


def report(answers: Sequence[Answer], missing: Sequence[str]) -> int:
    """Print what is known; returns the exit status.

    Raises:
        ToolError: nothing bad is known, but not all was answered.
    """
    for answer in answers:
        print(f"{answer.asked}: {len(answer.findings)} known{f'; {answer.unanswered}' if answer.unanswered else ''}")
        for finding in answer.findings:
            print(f"  {finding.package}: {finding.vulnerability}")
    sys.stdout.flush()
    if any(answer.findings for answer in answers):
        return cli.FAILED
    unanswered = [answer.asked for answer in answers if answer.unanswered]
    if unanswered:
        raise cli.ToolError(
            f"the databases were not asked, or don't know all, about {len(unanswered)} of {len(answers)} lists (above)."
            "\nThat is no good news: run this where PyPI's own service and npm's own registry can be reached, or name\n"
            "a mirror of OSV with --osv-url."
        )
    if missing:
        raise cli.ToolError(f"no bill of {', '.join(missing)}: not on this host; `make prepare` builds them.")
    return cli.OK


if __name__ == "__main__":
    sys.exit(cli.run("make audit", main))
