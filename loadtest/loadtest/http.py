"""Sends a single request and reads the JSON of its answer; the load itself is wrk's work."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from loadtest.errors import StackError

TIMEOUT_SECONDS = 30.0


def ask(url: str, content: Any = None) -> tuple[int, Any]:
    """Sends a GET, or a POST of `content` as JSON; returns the status and the JSON value of the answer.

    Raises:
        StackError: no answer, or one that is no JSON.
    """
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    # http.client knows no proxy: a proxy of the environment must not come between.
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    try:
        if content is None:
            connection.request("GET", target)
        else:
            body = json.dumps(content, ensure_ascii=False).encode()
            connection.request("POST", target, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        data = response.read()
        return response.status, json.loads(data)
    except (OSError, http.client.HTTPException) as error:
        raise StackError(f"{url} doesn't answer: {error or type(error).__name__}; does the stack run?") from None
    except ValueError:
        raise StackError(f"{url} answers with what is no JSON: {data[:120]!r}") from None
    finally:
        connection.close()
