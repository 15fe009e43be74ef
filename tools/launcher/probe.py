"""Asks whether ModelScope answers. Runs inside the service's container, whose network is what counts: `python - URL`.

Exit status 0: it does; 3: it doesn't. Standard output gives the reason as JSON.
"""

from __future__ import annotations

import http.client
import json
import sys
import urllib.error
import urllib.request

TIMEOUT_SECONDS = 5.0


def unreachable(url: str, timeout: float = TIMEOUT_SECONDS) -> str:
    """Why the address of ModelScope's API doesn't answer, "" if it does.

    Its API speaks JSON even to refuse; a company's filter or a login page for the network doesn't.
    """
    site = url.partition("/api/")[0]
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "gte-observability"})  # noqa: S310 (a setting)
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
            status, kind = answer.status, answer.headers.get_content_type()
    except urllib.error.HTTPError as error:
        status, kind = error.code, error.headers.get_content_type()
        error.close()
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"{site} gives no answer ({getattr(error, 'reason', error)})"
    if kind != "application/json":
        return f"what answers at {site} is not ModelScope (HTTP {status}, {kind})"
    return ""


if __name__ == "__main__":
    why = unreachable(sys.argv[1])
    print(json.dumps({"reason": why}))
    sys.exit(3 if why else 0)
