"""Each check passes on a stack in which all is well, and fails when what it is about isn't."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import broken_gte
import broken_rest
import pytest
from edits import in_json
from fake_server import Server
from fake_stack import Broken, FakeStack

from smoke.checks import CHECKS
from smoke.deadline import Deadline
from smoke.errors import CheckError, LeftOutError

BROKEN = broken_gte.BROKEN + broken_rest.BROKEN
BY_SENTENCE = {f"{check.service} {check.says}": check for check in CHECKS}


@pytest.fixture
def fake() -> FakeStack:
    return FakeStack()


@pytest.fixture
def server(fake: FakeStack) -> Iterator[Server]:
    server = Server(fake)
    yield server
    server.close()


def make(sentence: str, server: Server) -> None:
    """Makes one check, with the alert of this run posted before where the check is about it."""
    stack = server.stack()
    if sentence in ("alert-inbox shows that alert on its page", "alert-inbox is told when that alert ends"):
        BY_SENTENCE["alert-inbox gets an alert that is posted to Alertmanager"].run(stack, Deadline(2))
    BY_SENTENCE[sentence].run(stack, Deadline(0.4))


@pytest.mark.parametrize("sentence", BY_SENTENCE)
def test_each_check_passes_where_all_is_well(sentence: str, server: Server) -> None:
    make(sentence, server)


@pytest.mark.parametrize("broken", BROKEN, ids=[f"{sentence}: {named}" for sentence, _, _, named in BROKEN])
def test_a_check_fails_when_what_it_is_about_is_wrong(broken: Broken, fake: FakeStack, server: Server) -> None:
    sentence, route, edit, named = broken
    fake.edit(route, edit)
    with pytest.raises(CheckError) as failure:
        make(sentence, server)
    assert named in str(failure.value)


def test_every_check_has_been_seen_to_fail() -> None:
    elsewhere = {
        "prometheus sees an embedding raise exactly its own counters by one",
        "prometheus sees an unknown task counted as unknown and nowhere else",
        "alert-inbox is told when that alert ends",
    }
    assert {sentence for sentence, *_ in BROKEN} | elsewhere == set(BY_SENTENCE)


EMBEDDING = "prometheus sees an embedding raise exactly its own counters by one"
UNKNOWN = "prometheus sees an unknown task counted as unknown and nowhere else"


@pytest.mark.parametrize(
    ("sentence", "counted", "named"),
    [
        (EMBEDDING, [], "still lacks"),
        (EMBEDDING, [("embedding", "success")] * 2, "run again without other traffic"),
        (EMBEDDING, [("embedding", "success"), ("similarity", "success")], 'task_type="similarity"} +1'),
        (EMBEDDING, [("embedding", "error")], 'status="error",task_type="embedding"} +1'),
        (UNKNOWN, [], "still lacks"),
        (UNKNOWN, [("smoke-test", "invalid")], 'task_type="smoke-test"} +1'),
    ],
)
def test_a_count_that_is_not_exact_fails(
    sentence: str, counted: list[tuple[str, str]], named: str, fake: FakeStack, server: Server
) -> None:
    fake.count_as = lambda task, status: counted
    with pytest.raises(CheckError) as failure:
        make(sentence, server)
    assert named in str(failure.value)


def test_a_scrape_that_is_too_old_is_not_compared(fake: FakeStack, server: Server) -> None:
    fake.scrape_lag = 60.0
    with pytest.raises(CheckError, match="too early"):
        make(EMBEDDING, server)


def test_a_process_that_was_started_anew_is_named(fake: FakeStack, server: Server) -> None:
    fake.requests["similarity", "success"] = 7

    def forget(task: str, status: str) -> list[tuple[str, str]]:
        fake.requests.clear()
        return [(task, status)]

    fake.count_as = forget
    with pytest.raises(CheckError, match="A counter went back"):
        make(EMBEDDING, server)


def test_an_end_that_is_never_told_fails(fake: FakeStack, server: Server) -> None:
    def firing_only(content: Any) -> None:
        kept = [item for item in content["notifications"] if item["status"] == "firing"]
        content["notifications"] = kept

    fake.edit("GET /inbox/api/notifications", in_json(firing_only))
    with pytest.raises(CheckError, match="status resolved"):
        make("alert-inbox is told when that alert ends", server)


def test_an_end_that_would_be_told_too_late_is_left_out_and_ended_all_the_same(fake: FakeStack, server: Server) -> None:
    fake.group_interval = "5m"
    with pytest.raises(LeftOutError, match="300 s"):
        make("alert-inbox is told when that alert ends", server)
    assert fake.alerts[0]["status"] == "resolved"
