"""Sends so many requests and prints what the client saw as JSON, for programs that judge it themselves.

`python -m loadtest.send SCENARIO URL --requests N --connections N --texts FILE`
"""

from __future__ import annotations

import sys
from collections import Counter
from urllib.parse import urlsplit

from loadtest.target import check_target
from loadtest.wrk import Load, run_wrk
from tools import cli


def main() -> int:
    """Send; prints seconds, answers by outcome, socket errors by kind, and pairs of microseconds and count."""
    parser = cli.parser("loadtest.send", "Sends so many requests and prints what the client saw as JSON.", "")
    add = parser.add_argument
    add("scenario", help="a file of scenarios/, without .lua")
    add("url", help="with the path")
    add("--requests", type=cli.whole_number(1, 10**6), required=True, metavar="N", help="in all")
    add("--connections", type=cli.whole_number(1, 256), default=1, metavar="N", help="at a time; default: 1")
    add("--texts", required=True, metavar="FILE", help="one text a line")
    add("--seconds", type=cli.whole_number(1, 86400), default=600, metavar="N", help="at most; default: 600")
    add("--timeout", type=cli.whole_number(1, 240), default=240, metavar="N", help="of an answer; default: 240")
    given = parser.parse_args()
    parts = urlsplit(given.url)
    target = f"{parts.scheme}://{parts.netloc}"
    check_target(target)
    figures = run_wrk(
        Load(scenario=given.scenario, seconds=given.seconds, connections=given.connections, threads=1,
             timeout=given.timeout, target_url=target, path=parts.path, requests=given.requests, texts=given.texts)
    )  # fmt: skip
    answers: Counter[str] = Counter()
    for (_, outcome), count in figures.completed.items():
        answers[outcome] += count
    errors = dict(figures.socket_errors)
    if figures.requests == given.requests:
        # A connection that has nothing more to send may be closed by the server: no answer was lost by that.
        errors.pop("read", None)
    latencies = sorted(figures.measured.counts.items())
    cli.write_json("", "-", {"seconds": figures.seconds, "answers": answers, "errors": errors, "latency_us": latencies})
    return cli.OK


if __name__ == "__main__":
    sys.exit(cli.run("loadtest.send", main))
