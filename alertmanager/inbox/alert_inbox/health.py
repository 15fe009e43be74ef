"""The container's health probe: asks /healthz, ends with 0 or, after one line that says why, with 1."""

import sys
import urllib.error
import urllib.request

from alert_inbox.settings import PORT

_TIMEOUT = 5.0


def probe(url: str) -> str | None:
    """Return None when `url` answers 200, else what is wrong."""
    # No proxy from the environment: the address is the container's own.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"{url} answered {error.code}: {error.read(500).decode('utf-8', 'replace').strip()}"
    except OSError as error:
        return f"{url} does not answer: {error}"


def main() -> int:
    """Probe the inbox of this container, or the address given."""
    problem = probe(sys.argv[1] if len(sys.argv) > 1 else f"http://127.0.0.1:{PORT}/healthz")
    if problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
