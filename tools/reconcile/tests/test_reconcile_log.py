"""Task requests are read from the log that a real engine keeps, and how far back it reaches."""

from __future__ import annotations

import time

import pytest

from tools.reconcile.access_log import Container, Line, log_begin, parse_lines, read_containers, read_lines
from tools.reconcile.errors import LogError
from tools.reconcile.tests.conftest import LoggedBy, needs_engine, run, written

REFUSED = Line(1000.5, "qa", "invalid", "invalid_input")
DONE = Line(1000.25, "embedding", "success")
OTHERS = """\
2026-11-22T10:00:00Z INFO gte_monitoring.exposition.exporter: metrics on port 9090
{"time": "2026-11-22T10:00:00.000001+00:00", "method": "GET", "path": "/", "http_status": 200}
{"time": "soon", "task_type": "qa", "status": "success", "reason": null}
{"time": 5, "task_type": "qa", "status": "success", "reason": null}
{half a line
[]

"""


def test_task_requests_are_read_in_order_and_all_else_is_skipped() -> None:
    assert parse_lines(OTHERS + written(REFUSED) + OTHERS + written(DONE)) == [DONE, REFUSED]


def test_an_empty_log_has_no_requests() -> None:
    assert parse_lines("") == []


def test_the_log_begins_with_that_of_the_container_that_has_the_least() -> None:
    none = frozenset[str]()
    assert log_begin([Container(none, 5.0), Container(none, 7.0)]) == 7.0
    assert log_begin([Container(none, 5.0), Container(none, None)]) is None


@needs_engine
def test_the_log_of_all_runs_of_a_container_is_read(logged_by: LoggedBy) -> None:
    begun = time.time()
    compose = logged_by(OTHERS + written(REFUSED) + written(DONE))
    (first,) = read_containers(compose)
    again = time.time()
    run(compose)
    (second,) = read_containers(compose)
    assert read_lines(compose, begun - 1, time.time() + 1) == [DONE, DONE, REFUSED, REFUSED]
    assert first.log_begin is not None
    assert begun < first.log_begin < again
    assert second.log_begin == first.log_begin


@needs_engine
def test_only_the_range_is_read(logged_by: LoggedBy) -> None:
    compose = logged_by(written(DONE))
    (container,) = read_containers(compose)
    begin = container.log_begin
    assert begin is not None
    assert read_lines(compose, begin - 10, begin - 0.1) == []
    assert read_lines(compose, begin + 0.1, begin + 10) == []
    assert read_lines(compose, begin - 0.1, begin + 0.1) == [DONE]


@needs_engine
def test_a_log_that_was_rotated_begins_later(logged_by: LoggedBy) -> None:
    begun, count = time.time(), 2000
    compose = logged_by(written(DONE) * count, **{"max-size": "50k", "max-file": "2"})
    (container,) = read_containers(compose)
    assert container.log_begin is not None
    left = read_lines(compose, container.log_begin - 0.001, time.time() + 1)
    assert 0 < len(left) < count
    assert len(left) == len(read_lines(compose, begun, time.time() + 1))


@needs_engine
def test_a_container_that_has_written_nothing_has_no_log_yet(logged_by: LoggedBy) -> None:
    (container,) = read_containers(logged_by(""))
    assert container.log_begin is None


@needs_engine
def test_broken_characters_do_not_end_the_reading(logged_by: LoggedBy) -> None:
    # json-file mends them when it writes; this driver keeps them.
    compose = logged_by("", driver="local")
    (compose.root / "log").write_bytes(b"\xff\xfe\n" + written(DONE).encode())
    begun = time.time()
    run(compose)
    assert read_lines(compose, begun - 1, time.time() + 1) == [DONE]
    assert read_containers(compose)[0].log_begin is not None


@needs_engine
def test_without_a_container_there_is_no_log(logged_by: LoggedBy) -> None:
    compose = logged_by("")
    compose.capture("down", "--timeout", "1")
    with pytest.raises(LogError, match=r"gte-service has no container, .* make up"):
        read_containers(compose)


@needs_engine
def test_a_log_driver_that_can_not_be_read_is_said(logged_by: LoggedBy) -> None:
    compose = logged_by(written(DONE), driver="none")
    with pytest.raises(LogError, match=r"does not support reading(.|\n)*json-file"):
        read_containers(compose)


@needs_engine
def test_an_engine_that_goes_is_said_in_its_words(logged_by: LoggedBy, monkeypatch: pytest.MonkeyPatch) -> None:
    compose = logged_by("")
    with monkeypatch.context() as gone:
        gone.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
        with pytest.raises(LogError, match=r"^`docker compose logs .*` ended with status \d+: (.|\n)*127.0.0.1:1"):
            read_lines(compose, 0, 1)
