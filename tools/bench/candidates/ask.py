"""Asks a candidate from inside its container, which has no other network.

`python3 -m tools.bench.candidates.ask PORT PATH SECONDS until-ready|once`: the request's JSON comes on standard input,
the answer's goes to standard output. `until-ready` tries again until there is an answer.
"""

from __future__ import annotations

import json
import sys
import time

from tools.cli import NoAnswerError, ask

_PAUSE_SECONDS = 0.1


def main(port: str, path: str, seconds: str, mode: str) -> int:
    """Ask; returns 0 if there was an answer with status 200, and prints why not otherwise."""
    content = json.load(sys.stdin)
    end = time.monotonic() + float(seconds)
    reason = ""
    while (left := end - time.monotonic()) > 0:
        try:
            answer = ask(f"http://127.0.0.1:{port}{path}", content, timeout_seconds=left)
        except NoAnswerError as error:
            reason = type(error.__cause__).__name__
        else:
            if answer.status == 200:
                json.dump(answer.body, sys.stdout)
                return 0
            reason = f"status {answer.status}"
        if mode == "once":
            break
        time.sleep(_PAUSE_SECONDS)
    limit = "" if mode == "once" else f" within {seconds} s"
    print(f"no answer{limit}; the last try ended with {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
