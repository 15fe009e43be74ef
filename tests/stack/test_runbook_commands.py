"""The commands of the runbooks work as they are written: on a running stack with other ports, and in its faults."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from tests.config.runbooks import NAMES, Command, page
from tests.stack.boards import load
from tests.stack.chat import Chat
from tests.stack.runbook_faults import LONG_FAULTS
from tests.stack.runbooks import begin, change, look, run, wait_until_shown
from tests.stack.running import Stack, wait_for

# A person reads it at 3 a.m.
MOST_LINES = 60
# What a program says that doesn't know what it was told. In a pipe its exit status is lost.
MISUSE = re.compile(r"^(usage:|unknown |no such service|.*: (command not found|invalid )|.*parsing error)", re.I | re.M)
# It walks through the whole disk, which takes a minute.
SLOW = "timeout 120 du "
CHANGES = {command.text: command for alert in NAMES for block in page(alert).changes for command in block}
SILENCE = next(text for text in CHANGES if "silence add" in text)

# What leaves a healthy stack as it was, with what it says.
HARMLESS = {
    "make reload": "",
    "docker compose start": "",
    "docker compose start dashboard-viewer": "",
    "docker compose logs --no-log-prefix --since 30m gte-service > stuck.log": "",
    "make status": "gte-service .*healthy",
}
# What no test runs on a stack, and why; the settings of .env are in tests/config/test_runbooks.py.
NOT_HERE = {
    "make up": "the stack is started by `make demo`, which differs in the model only",
    "make demo": "the stack is started by it",
    "docker compose up -d prometheus": "it makes Prometheus anew, with the size that .env names",
    "make reconcile": "test_stack.py runs it on a load",
    "make baseline": "tools/baseline has its tests, on histories",
    "docker compose exec -T gte-service gte-service rollback": "gte-service/tests/test_hub.py runs it, on two versions",
    "docker compose restart gte-service": "test_stack.py runs it under load",
    'git checkout "$FORMER"': "tests/config/test_runbooks.py runs it",
    'iptables -I DOCKER-USER -s "$ADDRESS" -j DROP': "it changes the host's firewall",
    "docker builder prune -f": "it takes the cache of everybody who builds on this host",
    "docker image prune -f": "it takes the images of everybody on this host",
}


# By page and fault: the service, what Compose does to it, what the page's commands then show, and the one that mends.
FAULTS: Mapping[str, tuple[str, str, tuple[str, ...], str]] = {
    "GTE_ServiceDown paused": (
        "gte-service", "pause", (" paused exit=0", "download timed out"), "docker compose unpause gte-service",
    ),
    "GTE_ServiceDown killed": (
        "gte-service", "kill", ("exited exit=137 oom=false", "bad address 'gte-service:9090'"),
        "docker compose start gte-service",
    ),
    "TargetDown killed": (
        "node-exporter", "kill", (r"node-exporter \S+ down .*no such host", r"Exited \(137\)"),
        'docker compose start "$SERVICE"',
    ),
    "NotificationsFailing killed": (
        "alert-inbox", "kill", (r"Exited \(137\)", '"alert-inbox" is not running'), "docker compose start alert-inbox",
    ),
    "NotificationsFailing paused": (
        "alert-inbox", "pause", (r"\(Paused\)", "is paused"), "docker compose restart alert-inbox",
    ),
    "Watchdog killed": (
        "alertmanager", "kill", (r"Exited \(137\)", '"alertmanager" is not running', "the inbox answers"),
        "docker compose start prometheus alertmanager alert-inbox",
    ),
    "Watchdog paused": (
        "prometheus", "pause", (r"\(Paused\)", "is paused", "the inbox answers"), 'docker compose unpause "$SERVICE"',
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def looked(stack: Stack) -> dict[Command, tuple[int, str]]:
    """What each command that looks has printed on a healthy stack; pages share many, and most of them wait."""
    commands = dict.fromkeys(command for alert in NAMES for block in page(alert).looks for command in block)
    quick = [command for command in commands if not command.text.startswith(SLOW)]
    with ThreadPoolExecutor(6) as pool:
        return dict(zip(quick, pool.map(lambda command: run(stack, command), quick), strict=True))


@pytest.mark.parametrize("alert", NAMES)
def test_every_command_that_looks_works_and_prints_a_page_at_most(
    alert: str, looked: dict[Command, tuple[int, str]]
) -> None:
    for command in (command for block in page(alert).looks for command in block if command in looked):
        status, output = looked[command]
        assert status == 0 or (status, output, "| grep" in command.text) == (1, "", True), f"{command.text}\n{output}"
        assert not MISUSE.search(output), output
        assert len(output.splitlines()) <= MOST_LINES, output


def test_some_query_of_the_pages_has_an_answer(looked: dict[Command, tuple[int, str]]) -> None:
    answered = [
        command for command, (_, output) in looked.items() if "promtool query" in command.text and "=>" in output
    ]
    assert len(answered) > 10


def test_every_command_that_changes_something_is_run_by_a_test_or_has_a_reason_not_to_be() -> None:
    mends = {mend for *_, mend in FAULTS.values()} | {fault.mend for fault in LONG_FAULTS.values() if fault.mend}
    known = {*HARMLESS, *NOT_HERE, *mends, SILENCE, "make notify-test"}
    assert {text for text in CHANGES if ".env" not in text} == known


@pytest.mark.parametrize("text", HARMLESS)
def test_a_change_that_a_healthy_stack_bears(text: str, stack: Stack) -> None:
    try:
        status, output = run(stack, CHANGES[text])
    finally:
        (stack.root / "stuck.log").unlink(missing_ok=True)
    assert status == 0, output
    assert re.search(HARMLESS[text], output), output


def test_an_alert_is_silenced(stack: Stack) -> None:
    identity = change(stack, "GTE_WorseAfterRelease", SILENCE).strip()
    silence = json.loads(stack.get("ALERTMANAGER_PORT", f"/api/v2/silence/{identity}"))
    tool = ("docker", "compose", "exec", "-T", "alertmanager", "amtool", "--alertmanager.url=http://127.0.0.1:9093")
    stack.must(*tool, "silence", "expire", identity)
    assert [matcher["value"] for matcher in silence["matchers"]] == ["GTE_WorseAfterRelease"]


def state(stack: Stack, service: str) -> tuple[str, str]:
    """Which container it is, and what it does."""
    container = stack.containers()[service]
    return container["Id"], container["State"]["Status"]


@pytest.mark.parametrize("name", FAULTS)
def test_a_page_shows_the_fault_that_it_is_for_and_mends_it(name: str, stack: Stack) -> None:
    service, verb, shown, mend = FAULTS[name]
    alert = name.split(maxsplit=1)[0]
    before = state(stack, service)
    begin(stack, verb, service)
    try:
        # A target is scraped every 5 s.
        wait_until_shown(stack, alert, shown, 20)
    finally:
        change(stack, alert, mend)
    # The same container: nothing was made anew, so the model is the same.
    assert state(stack, service) == before
    if service == "gte-service":
        wait_for(lambda: answers(stack), "an answer", 120)


def answers(stack: Stack) -> bool:
    try:
        return stack.predict("张三在北京参加了奥运会") == 200
    except OSError:
        return False


def test_far_too_long_texts_are_shown_by_their_time_in_tokenize_and_as_cut_off(stack: Stack) -> None:
    task_seconds = page("GTE_TaskLatencyHigh").looks[0][0]
    # Another task than those that other tests send much of in these minutes.
    assert task_seconds.given == "TASK=embedding"
    own_task = replace(task_seconds, given="TASK=classification")

    def phases() -> dict[str, float]:
        found = re.findall(r'phase="(\w+)".* => (\S+) @', run(stack, own_task)[1])
        return {phase: float(seconds) for phase, seconds in found}

    with load(stack, {"task_type": "classification", "input_text": LONG_TEXTS}, 1):
        # A thousand times what usual texts take. Where the machine is busy, the queue may take longer still.
        wait_for(lambda: phases().get("tokenize", 0) > 0.1, "the time in tokenize", 60)
    assert set(phases()) >= {"queue", "inference", "rest"}
    wait_for(lambda: '"classification"' in look(stack, "GTE_TextsTruncated"), "the texts that were cut off", 20)


# It takes a second on an idle machine. The model reads 512 tokens of each.
LONG_TEXTS = ["张三在北京参加了奥运会，" * 2000] * 24
OVERLOAD = {"task_type": "embedding", "input_text": ["一段比较长的文字，用来让计算持续一会儿。" * 10] * 90}


def test_requests_that_are_refused_are_shown_with_their_reason(stack: Stack) -> None:
    with load(stack, OVERLOAD, 12):
        wait_for(lambda: '"reason": "overloaded"' in look(stack, "GTE_ErrorRateHigh"), "a refused request", 30)


@contextmanager
def silent_connections(stack: Stack, count: int) -> Iterator[None]:
    with ExitStack() as opened:
        for _ in range(count):
            opened.enter_context(socket.create_connection(("127.0.0.1", int(stack.environ["GTE_PORT"]))))
        yield


def test_clients_that_say_nothing_are_counted_by_address(stack: Stack) -> None:
    with silent_connections(stack, 120):
        wait_for(lambda: re.search(r"\('\d+\.\d+\.\d+\.\d+', 1\d\d\)", look(stack, "GTE_SlowClients")), "them", 20)


def test_the_page_on_the_demo_model_shows_it(looked: dict[Command, tuple[int, str]]) -> None:
    output = "".join(looked[command][1] for command in page("GTE_DemoModel").looks[0])
    assert re.search("^ready: ", output, re.M)
    assert re.search("^builtin:lexical$", output, re.M)


def test_a_chat_that_cannot_be_reached_is_named_with_what_to_do(stack: Stack, chat: Chat) -> None:
    targets = chat.folder / "targets.txt"
    targets.write_text("http://nowhere:8080/robot/send?access_token=none\n", encoding="utf-8")
    try:
        command = CHANGES["make notify-test"]
        wait_for(lambda: "There is no target yet" not in (said := run(stack, command))[1] and said, "the target", 20)
        status, output = run(stack, command)
    finally:
        targets.unlink()
    assert status != 0
    assert "FAILED" in output
    assert "Check that this host reaches the address" in output
