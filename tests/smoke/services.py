"""Asks one service over HTTP, within the time that its check has."""

from __future__ import annotations

import http.client
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, TypeVar
from urllib.parse import unquote_plus

_T = TypeVar("_T")
PAUSE_SECONDS = 0.25
# A request that starts just before a deadline gets this long: its failure tells more than that the time was up.
SHORTEST_WAIT_SECONDS = 1.0


class Deadline:
    """A point in time, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, 0 when the time is up."""
        return max(0.0, self._end - time.monotonic())

    def until(self, attempt: Callable[[], _T]) -> _T:
        """Call `attempt` until it raises nothing, and return its value; when the time is up, its failure is raised.

        `pytest.fail` and `pytest.skip` end the polling at once: they raise no `Exception`.
        """
        while True:
            try:
                return attempt()
            except Exception:
                if self.remaining() <= PAUSE_SECONDS:
                    raise
            time.sleep(PAUSE_SECONDS)


class Answer(NamedTuple):
    """What a service answered: the body as text, and what was asked, for messages."""

    asked: str
    status: int
    content_type: str
    text: str

    def json(self) -> Any:
        """The body as a JSON value."""
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise AssertionError(f"{self.asked}: no JSON: {self.text[:120]!r} ({error})") from None


@dataclass(frozen=True)
class Service:
    """A service as one check asks it. Every method raises AssertionError if no answer comes, or another status.

    Attributes:
        name: in compose.yaml.
        host: and port.
        prefix: of every path.
        deadline: that of the check.
        unreachable: takes the name of the service when it doesn't answer.
        headers: sent with each request.
    """

    name: str
    host: str
    prefix: str
    deadline: Deadline
    unreachable: set[str]
    headers: Mapping[str, str]

    def get(self, path: str, accept: str = "*/*") -> Answer:
        """Send a GET that has to be answered with 200."""
        return self.ask("GET", path, {"Accept": accept})

    def post(self, path: str, content: Any, *statuses: int) -> Answer:
        """Send `content` as JSON, or bytes as they are; one of `statuses`, or 200, has to come back."""
        body = content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode()
        return self.ask("POST", path, {"Content-Type": "application/json"}, body, statuses or (200,))

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        statuses: tuple[int, ...] = (200,),
    ) -> Answer:
        """Send any request, which has to be answered with one of `statuses`."""
        asked = f"{method} http://{self.host}{self.prefix}{unquote_plus(path)}"
        # No urllib: no proxy of the environment and no redirect may come between a check and the service.
        connection = http.client.HTTPConnection(self.host)
        try:
            with _time_limit(max(SHORTEST_WAIT_SECONDS, self.deadline.remaining())):
                connection.request(method, self.prefix + path, body or None, {**self.headers, **(headers or {})})
                response = connection.getresponse()
                text = response.read().decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            self.unreachable.add(self.name)
            raise AssertionError(f"{asked}: {error or type(error).__name__}") from None
        finally:
            connection.close()
        # pytest keeps this, and shows the last of it where a check fails.
        print(asked, response.status, " ".join(text[:160].split()))
        expected = " or ".join(map(str, statuses))
        assert response.status in statuses, f"{asked}: status {response.status} instead of {expected}: {text[:200]}"
        return Answer(asked, response.status, response.getheader("Content-Type", ""), text)


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the block after so long. A socket's own timeout never ends a service that drips."""

    def stop(*_: object) -> NoReturn:
        raise TimeoutError(f"no complete answer within {seconds:.1f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
