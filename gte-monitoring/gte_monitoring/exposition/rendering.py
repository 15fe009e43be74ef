"""Writes metrics as prometheus_client does, a tenth as long: from scrape to scrape little but the values changes.

Names and labels are the library's own lines, whatever format was asked for. A line is split once where its value
begins; the next scrape puts the new value there. What can't be split is left to the library each time.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from prometheus_client import Metric as Family
from prometheus_client import make_wsgi_app
from prometheus_client.exposition import choose_encoder, gzip_accepted
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# The content type holds a version that the client names, so there could be any number of them.
_MOST_FORMATS = 8
_ICON = "/favicon.ico"
_END = "# EOF\n"
# Most of the time is spent on the last percents, and a scrape stays in the house.
_GZIP_LEVEL = 1

Encoder = Callable[[Collector], bytes]


def exposition_app(shown: Collector) -> WSGIApplication:
    """An app that answers GET with what there is to show, in the format and packing that were asked for."""
    library = make_wsgi_app(shown)
    renderers: dict[str, Renderer] = {}

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        encoder, content_type = choose_encoder(environ.get("HTTP_ACCEPT", ""))
        renderer = renderers.get(content_type)
        if renderer is None and len(renderers) < _MOST_FORMATS:
            renderer = renderers[content_type] = Renderer(encoder)
        asked = environ["REQUEST_METHOD"], environ.get("QUERY_STRING", ""), environ["PATH_INFO"] == _ICON
        if renderer is None or asked != ("GET", "", False):
            answered: Iterable[bytes] = library(environ, start_response)
            return answered
        body = renderer.render(shown.collect())
        headers = [("Content-Type", content_type)]
        if gzip_accepted(environ.get("HTTP_ACCEPT_ENCODING", "")):
            body = gzip.compress(body, _GZIP_LEVEL)
            headers.append(("Content-Encoding", "gzip"))
        start_response("200 OK", headers)
        return [body]

    return answer


@dataclass(frozen=True)
class _Lines:
    """What a metric was written as.

    Attributes:
        identity: what of it must be the same for the lines to hold: its head, and its samples' names and labels.
        head: the lines of its help and type.
        beginnings: of each sample's line, up to its value.
    """

    identity: tuple[object, ...]
    head: str
    beginnings: list[str]


class Renderer:
    """Writes metrics in one format."""

    def __init__(self, encoder: Encoder) -> None:
        """Write as `encoder` does."""
        self._encoder = encoder
        self._known: dict[str, _Lines] = {}
        self._end = _END if encoder(_One(None)) else ""

    def render(self, families: Iterable[Family]) -> bytes:
        """All metrics."""
        return "".join([*map(self._text, families), self._end]).encode()

    def _text(self, family: Family) -> str:
        known = self._known.get(family.name)
        samples = family.samples
        identity = family.documentation, family.type, family.unit, [(sample.name, sample.labels) for sample in samples]
        if known is not None and known.identity == identity:
            lines = [
                f"{beginning}{_number(sample.value)}\n"
                for beginning, sample in zip(known.beginnings, samples, strict=True)
            ]
            return known.head + "".join(lines)
        text = self._encoder(_One(family)).decode().removesuffix(self._end)
        self._known.pop(family.name, None)
        if found := _split(text, family, identity):
            self._known[family.name] = found
        return text


class _One(Collector):
    """A registry with one metric, or with none."""

    def __init__(self, family: Family | None) -> None:
        self._family = family

    def collect(self) -> Iterable[Family]:
        return [self._family] if self._family else []


def _split(text: str, family: Family, identity: tuple[object, ...]) -> _Lines | None:
    """The lines of a metric, None unless each sample has one, in their order, that ends with its value."""
    lines = text.split("\n")[:-1]
    own = [line for line in lines if not line.startswith("#")]
    samples = family.samples
    if len(own) != len(samples) or any(each.timestamp is not None or each.exemplar for each in samples):
        return None
    numbers = [_number(sample.value) for sample in samples]
    beginnings = [line.removesuffix(number) for line, number in zip(own, numbers, strict=True)]
    head = "".join(f"{line}\n" for line in lines[: len(lines) - len(own)])
    again = head + "".join(f"{beginning}{number}\n" for beginning, number in zip(beginnings, numbers, strict=True))
    return _Lines(identity, head, beginnings) if again == text else None


@lru_cache(maxsize=4096)
def _number(value: float) -> str:
    return str(floatToGoString(value))  # type: ignore[no-untyped-call]
