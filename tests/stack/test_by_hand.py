"""The stack in people's own hands: `docker compose` without make, edited configuration, a second checkout, proxies."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.stack.running import MAKE, PROJECT, ROOT, Stack, wait_for

SERVICES = ("gte-service", "prometheus", "alertmanager", "alert-inbox", "node-exporter")
RELOADED = re.compile(r"^(\w+) +runs \w+/\w+\.yml, sha256 ([0-9a-f]{12}), read at \S+$", re.MULTILINE)
# It compares characters, so ModelScope can't have it.
DEMO = "builtin:lexical"


def identities(stack: Stack) -> dict[str, str]:
    return {service: container["Id"] for service, container in stack.containers().items()}


@contextmanager
def edited(file: Path, old: str, new: str) -> Iterator[None]:
    """A file as an editor saves it: another one in its place."""
    before = file.read_bytes()
    draft = file.with_suffix(".draft")
    draft.write_bytes(before.replace(old.encode(), new.encode(), 1))
    assert draft.read_bytes() != before
    draft.chmod(0o644)
    draft.replace(file)
    try:
        yield
    finally:
        file.write_bytes(before)


def test_nothing_but_the_start_names_the_demo_model(stack: Stack) -> None:
    own = (stack.root / ".env").read_bytes().split(b"# >>> ")[0]
    assert b"GTE_MODEL" not in own
    assert "GTE_MODEL" not in stack.given
    assert json.loads(stack.get("GTE_PORT", "/readyz"))["model"] == DEMO


@pytest.mark.parametrize("command", ["up -d --wait", "up -d gte-service", "up -d --no-build --pull never", "start"])
def test_compose_by_hand_changes_nothing_of_what_make_has_started(stack: Stack, command: str) -> None:
    before = identities(stack)
    stack.must("docker", "compose", *command.split())
    assert identities(stack) == before
    assert set(before) >= set(SERVICES)


def test_a_container_that_is_made_anew_by_hand_has_the_same_model(stack: Stack) -> None:
    before = identities(stack)
    stack.must("docker", "compose", "up", "-d", "--wait", "--force-recreate", "--no-deps", "gte-service")
    assert before.items() - identities(stack).items() == {("gte-service", before["gte-service"])}
    assert json.loads(stack.get("GTE_PORT", "/readyz"))["model"] == DEMO


def test_every_service_is_healthy_behind_a_proxy_that_cant_reach_it(stack: Stack) -> None:
    for service in SERVICES:
        container = stack.containers()[service]
        assert "HTTP_PROXY=http://127.0.0.1:9" in container["Config"]["Env"]
        assert container["State"]["Health"]["Status"] == "healthy"


def test_files_of_a_umask_of_077_are_said_to_be_readable_now(stack: Stack) -> None:
    assert (stack.root / "prometheus" / "prometheus.yml").stat().st_mode & 0o004


def test_an_edit_takes_effect_at_a_reload_which_says_what_runs(stack: Stack) -> None:
    before = dict(RELOADED.findall(stack.must(*MAKE, "reload")))
    assert set(before) == {"prometheus", "alertmanager"}
    with edited(stack.root / "alertmanager" / "alertmanager.yml", "group_wait: 10s", "group_wait: 11s"):
        now = dict(RELOADED.findall(stack.must(*MAKE, "reload")))
        status = json.loads(stack.get("ALERTMANAGER_PORT", "/api/v2/status"))
        assert "group_wait: 11s" in status["config"]["original"]
    assert now["prometheus"] == before["prometheus"]
    assert now["alertmanager"] != before["alertmanager"]
    assert dict(RELOADED.findall(stack.must(*MAKE, "reload"))) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("prometheus/rules/stack.yml", "expr: ", "expr: )"),
        ("alertmanager/alertmanager.yml", "route:", "rout:"),
    ],
)
def test_a_file_that_cant_be_used_is_named_and_nothing_is_reloaded(stack: Stack, file: str, old: str, new: str) -> None:
    def read_at() -> str:
        return str(json.loads(stack.get("PROMETHEUS_PORT", "/api/v1/status/runtimeinfo"))["data"]["lastConfigTime"])

    before = read_at()
    with edited(stack.root / file, old, new):
        done = stack.run(*MAKE, "reload")
    assert done.returncode
    assert re.search(r"^make reload: \S+ can't be used, so nothing was reloaded:$", done.stdout, re.MULTILINE)
    assert read_at() == before


def test_another_checkout_with_this_projects_name_leaves_it_alone(stack: Stack) -> None:
    before = identities(stack)
    for verb in ("down", "demo"):
        other = Stack({**stack.environ, "PYTHONUTF8": "1"}, root=ROOT)
        done = other.run(*MAKE, verb)
        assert done.returncode
        assert f"The project {PROJECT} has containers that were started in {stack.root}" in done.stdout
    assert identities(stack) == before


def test_what_was_started_answers_as_before(stack: Stack) -> None:
    """For the tests that follow: all targets are scraped again."""
    wait_for(lambda: [one["value"][1] for one in stack.query("min(up)")] == ["1"], "every target is up", 60)
