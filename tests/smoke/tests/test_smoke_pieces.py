"""Expositions are read, and counters compared, as Prometheus means them."""

from __future__ import annotations

import pytest

from smoke.answers import at, dot, number_at, vector_at
from smoke.checks.alerts import longest_duration
from smoke.counters import Series, compare, listing
from smoke.errors import CheckError, UsageError
from smoke.exposition import Exposition
from smoke.settings import read_addresses, read_left_out

A, B = Series.of("requests_total", task="a"), Series.of("requests_total", task="b")


def test_labels_values_and_comments_are_read() -> None:
    text = (
        '# HELP x {not="a sample"} 1\n# TYPE x counter\nx{a="1",b="2, \\"3\\" }\\n\\\\"} 4.5e+06\n'
        'y 1 1700000000000\nz_bucket{le="+Inf"} +Inf # {trace="x"} 0.1 1.5\n\nn{} NaN\n'
    )
    read = Exposition(text)
    assert read.names == {"x", "y", "z_bucket", "n"}
    assert dict(read.one("x").labels) == {"a": "1", "b": '2, "3" }\n\\'}
    assert read.one("x", a="1").value == 4_500_000
    assert read.one("z_bucket").value == float("inf")
    assert read.one("y").value == 1


@pytest.mark.parametrize("text", ["<html>", "x{a=1} 2", "x", "x{a='1'} 2", "x one", '{a="1"} 2', 'x{a="1"b="2"} 3'])
def test_what_is_no_sample_is_refused(text: str) -> None:
    with pytest.raises(CheckError, match="line 2 of the metrics is no sample"):
        Exposition(f"y 1\n{text}\n")


def test_a_sample_has_to_be_there_exactly_once() -> None:
    read = Exposition('x{a="1"} 1\nx{a="2"} 1\n')
    with pytest.raises(CheckError, match="2 samples of x"):
        read.one("x")
    with pytest.raises(CheckError, match=r'0 samples of x\{a="3"\}'):
        read.one("x", a="3")


def test_exactly_what_was_expected() -> None:
    seen = compare({A: 3, B: 1}, {A: 4, B: 1}, {A: 1})
    assert seen.exact
    assert not seen.others


def test_a_series_that_is_new_counts_from_zero() -> None:
    assert compare({}, {A: 1}, {A: 1}).exact


def test_nothing_yet_may_still_come() -> None:
    seen = compare({A: 3}, {A: 3}, {A: 1})
    assert not seen.exact
    assert seen.may_still_come
    assert listing(seen.missing) == 'requests_total{task="a"} +1'


@pytest.mark.parametrize("after", [{A: 5.0}, {A: 4.0, B: 1.0}, {A: 3.0, B: 1.0}])
def test_too_much_is_other_traffic(after: dict[Series, float]) -> None:
    seen = compare({A: 3}, after, {A: 1})
    assert not seen.exact
    assert not seen.may_still_come
    assert not seen.fell
    assert seen.others


@pytest.mark.parametrize("after", [{A: 4.0}, {A: 4.0, B: 0.0}])
def test_a_counter_that_goes_back_is_seen(after: dict[Series, float]) -> None:
    seen = compare({A: 3, B: 1}, after, {A: 1})
    assert seen.fell
    assert not seen.exact
    assert not seen.may_still_come
    assert listing(seen.others) == 'requests_total{task="b"} -1'


def test_a_value_is_found_or_what_is_missing_is_named() -> None:
    answer = {"a": [{"b": "c"}], "flag": True}
    assert at(answer, "a", 0, "b", kind=str) == "c"
    with pytest.raises(CheckError, match=r"no a\[1\]"):
        at(answer, "a", 1, kind=dict)
    with pytest.raises(CheckError, match=r"no a\.b"):
        at(answer, "a", "b", kind=str)
    with pytest.raises(CheckError, match="flag is no int"):
        at(answer, "flag", kind=int)
    with pytest.raises(CheckError, match="flag is no finite number"):
        number_at(answer, "flag")
    with pytest.raises(CheckError, match="the answer is no list"):
        at(answer, kind=list)


def test_a_vector_has_length_one() -> None:
    assert vector_at({"v": [0.6, 0.8]}, "v") == [0.6, 0.8]
    with pytest.raises(CheckError, match=r"2 numbers, length 1\.4142"):
        vector_at({"v": [1, 1]}, "v")
    with pytest.raises(CheckError, match="different sizes: 2 and 1"):
        dot([1, 0], [1])


@pytest.mark.parametrize(
    ("config", "seconds"),
    [
        ("", 300),
        ("group_interval: 30s", 30),
        ("route:\n  group_interval: 1m30s\n  routes:\n  - group_interval: 10s\n", 90),
        ('group_interval: "2h"', 7200),
        ("group_interval: 500ms", 0.5),
    ],
)
def test_the_longest_interval_of_a_configuration_is_found(config: str, seconds: float) -> None:
    assert longest_duration("group_interval", config, unset=300) == seconds


@pytest.mark.parametrize("value", ["grafana", " grafana,", "grafana node-exporter", "grafana, node-exporter"])
def test_left_out_services_are_read(value: str) -> None:
    assert "grafana" in read_left_out({"SMOKE_LEFT_OUT": value})


def test_a_left_out_name_that_is_no_service_is_refused() -> None:
    with pytest.raises(UsageError, match="names Grafana, but the services are gte-service"):
        read_left_out({"SMOKE_LEFT_OUT": "Grafana"})


def test_an_empty_address_means_the_default() -> None:
    assert read_addresses({"SMOKE_GTE_URL": ""}).gte.url == "http://gte-service:5000"
