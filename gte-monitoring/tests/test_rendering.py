"""What is rendered by lines that are known is, byte for byte, what the library writes."""

from __future__ import annotations

import gc
import gzip
import math
from collections.abc import Iterable

import pytest
from prometheus_client import CollectorRegistry, Info, Metric, make_wsgi_app
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from werkzeug.test import Client

from gte_monitoring.exposition.rendering import Renderer, exposition_app

FORMATS = [
    "",
    "text/plain;version=1.0.0;escaping=allow-utf-8",
    "application/openmetrics-text;version=1.0.0;escaping=underscores",
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
    "application/openmetrics-text;version=2.0.0",
]
NUMBERS = [0.0, 1.0, 11.0, 1e6, 12345678.9, 1e21, -0.5, math.inf, -math.inf, math.nan, 3]


class Shown(Collector):
    """Metrics that change with `number`."""

    def __init__(self, number: float = 0.0, rooms: Iterable[str] = ("a",), text: str = "Some help.") -> None:
        self.number = number
        self.rooms = rooms
        self.text = text

    def collect(self) -> Iterable[Metric]:
        counter = CounterMetricFamily("opened", self.text, labels=["room", "door"])
        for room in self.rooms:
            counter.add_metric([room, "1"], self.number)
        yield counter
        gauge = GaugeMetricFamily("heat", "Help with \\ and\nanother line.")
        gauge.add_metric([], self.number)
        yield gauge
        histogram = HistogramMetricFamily("steps", "Steps.", labels=["room"])
        for room in self.rooms:
            histogram.add_metric([room], [("1.0", self.number), ("+Inf", 2 * self.number)], self.number)
        yield histogram
        yield GaugeMetricFamily("nothing", "A metric without samples.", labels=["room"])

    def restricted_registry(self, names: Iterable[str]) -> Collector:
        return self


class Odd(Collector):
    """Metrics whose lines can't be split, or change their place."""

    def __init__(self, number: float) -> None:
        self.number = number

    def collect(self) -> Iterable[Metric]:
        timed = GaugeMetricFamily("timed", "With a time.")
        timed.add_metric([], self.number, timestamp=self.number)
        yield timed
        created = CounterMetricFamily("created", "With its creation.", labels=["room"])
        created.add_metric(["a"], self.number, created=self.number)
        created.add_metric(["b"], self.number, created=self.number)
        yield created
        unusual = GaugeMetricFamily("größe.der.räume", "With a name in UTF-8.", labels=["räume.zahl"])
        unusual.add_metric(["ä"], self.number)
        yield unusual
        registry = CollectorRegistry()
        Info("build", "An info.", registry=registry).info({"version": str(self.number)})
        yield from registry.collect()


@pytest.mark.parametrize("accept", FORMATS)
def test_all_numbers_are_written_as_the_library_does(accept: str) -> None:
    encoder = choose_encoder(accept)[0]
    renderer = Renderer(encoder)
    for number in NUMBERS:
        shown = Shown(number)
        assert renderer.render(shown.collect()) == encoder(shown)


@pytest.mark.parametrize("accept", FORMATS)
def test_what_can_not_be_split_is_the_librarys(accept: str) -> None:
    encoder = choose_encoder(accept)[0]
    renderer = Renderer(encoder)
    for number in (1.0, 2.0, 2.0, 21.0):
        assert renderer.render(Odd(number).collect()) == encoder(Odd(number))


@pytest.mark.parametrize(
    "room", ["", "1.0", "# 1.0", 'quoted " 1.0', "two\nlines", "back\\slash", "房间", "\u2028", "}"]
)
@pytest.mark.parametrize("accept", FORMATS)
def test_label_values_of_any_kind_stay_as_they_are(accept: str, room: str) -> None:
    encoder = choose_encoder(accept)[0]
    renderer = Renderer(encoder)
    for number in (1.0, 2.0):
        assert renderer.render(Shown(number, [room]).collect()) == encoder(Shown(number, [room]))


def test_series_that_come_go_and_change_are_written_anew() -> None:
    encoder = choose_encoder(FORMATS[3])[0]
    renderer = Renderer(encoder)
    for shown in (
        Shown(1.0, ["a"]), Shown(2.0, ["a", "b"]), Shown(3.0, ["b"]), Shown(4.0, []), Shown(5.0, ["c"]),
        Shown(5.0, ["c"], "Other help."),
    ):  # fmt: skip
        assert renderer.render(shown.collect()) == encoder(shown)


class Apps:
    """Ours and the library's, asked for the same."""

    def __init__(self, shown: Shown) -> None:
        self._clients = [Client(app) for app in (exposition_app(shown), make_wsgi_app(shown))]

    def ask(self, **environ: str) -> list[tuple[str, dict[str, str], bytes]]:
        answers = [client.open("/metrics", environ_overrides=environ) for client in self._clients]
        return [(answer.status, dict(answer.headers), answer.get_data()) for answer in answers]


@pytest.mark.parametrize(
    "environ",
    [
        *({"HTTP_ACCEPT": accept} for accept in FORMATS),
        {"QUERY_STRING": "name[]=opened_total"},
        {"REQUEST_METHOD": "OPTIONS"},
        {"REQUEST_METHOD": "POST"},
        {"PATH_INFO": "/favicon.ico"},
    ],
)
def test_the_app_answers_as_the_librarys_does(environ: dict[str, str]) -> None:
    apps = Apps(Shown(3.0))
    for _ in range(2):
        ours, theirs = apps.ask(**environ)
        assert ours == theirs


def test_gzip_holds_the_same() -> None:
    apps = Apps(Shown(3.0))
    (_, headers, packed), (_, same, theirs) = apps.ask(HTTP_ACCEPT_ENCODING="gzip")
    assert headers == same
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed) == gzip.decompress(theirs)


def renderers() -> int:
    gc.collect()
    return sum(type(each) is Renderer for each in gc.get_objects())


def test_a_client_that_names_ever_new_versions_is_answered_each_time_and_fills_no_memory() -> None:
    apps, before = Apps(Shown(3.0)), renderers()
    for version in range(50):
        ours, theirs = apps.ask(HTTP_ACCEPT=f"application/openmetrics-text;version=1.{version}.0")
        assert ours == theirs
    assert 0 < renderers() - before < 20
