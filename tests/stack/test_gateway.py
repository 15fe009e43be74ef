"""Three replicas behind the gateway are one service: one address, exact counts, and one of them may die."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import threading
import uuid
from collections.abc import Iterator

import pytest

from tests.stack.running import MAKE, PROJECT, ROOT, Stack, assert_locked_down, counted, wait_for

CLIENTS = 6
BODY = json.dumps({"task_type": "sentiment", "input_text": "这家店的服务太差了，再也不来了。"})


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """As `make demo` starts it with the gateway; a project of its own, and the checkout's .env stays as it is."""
    started = Stack()
    started.environ = {
        **started.environ,
        "COMPOSE_PROJECT_NAME": f"{PROJECT}-gateway",
        "COMPOSE_FILE": "compose.yaml:gateway/compose.yaml",
        # In the place of .env, where the start would keep what it has chosen for `docker compose` by hand.
        "COMPOSE_ENV_FILES": os.devnull,
        "GTE_REPLICAS": "3",
        "GTE_WORKERS": "1",
    }
    # Not `make clean`: other tests use the same images.
    clean = ["docker", "compose", "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5"]
    subprocess.run(clean, cwd=ROOT, env=started.environ, capture_output=True, check=False)
    try:
        started.output = started.must(*MAKE, "demo")
        yield started
    finally:
        subprocess.run(clean, cwd=ROOT, env=started.environ, capture_output=True, check=False)


def test_the_start_names_the_gateway_and_the_replicas_behind_it(stack: Stack) -> None:
    assert f"gateway           http://127.0.0.1:{stack.environ['GTE_PORT']}  healthy" in stack.output
    assert "gte-service       -" in stack.output
    assert "3 replicas behind the gateway" in stack.output
    assert "DEMO MODEL: builtin:lexical" in stack.output


def test_the_start_of_a_test_is_kept_in_no_env_file_of_the_checkout(stack: Stack) -> None:
    assert f"Compose reads {os.devnull} (COMPOSE_ENV_FILES), not .env" in stack.output
    assert "Kept in .env" not in stack.output


def test_the_gateway_is_locked_down_and_bounded(stack: Stack) -> None:
    assert_locked_down(stack.containers()["gateway"])


def test_every_replica_answers_clients_of_the_one_address_and_is_scraped(stack: Stack) -> None:
    for _ in range(6):
        assert stack.predict("张三在北京参加了奥运会") == 200
    served = 'gte_task_requests_total{task_type="embedding",status="success"} == 2'
    wait_for(lambda: len(stack.query(served)) == 3, "two requests at each replica", 30)
    wait_for(lambda: stack.query('up{job="gateway",instance="gateway:9090"} == 1'), "a scrape of the gateway", 30)


def test_a_killed_replica_fails_only_what_was_in_its_hands_and_all_counts_stay_exact(stack: Stack) -> None:
    over = threading.Event()
    lock = threading.Lock()
    answered: list[str] = []
    failed: list[tuple[str, int]] = []

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", int(stack.environ["GTE_PORT"]), timeout=60)
        while not over.is_set():
            identity = uuid.uuid4().hex
            headers = {"Content-Type": "application/json", "X-Request-ID": identity}
            connection.request("POST", "/predict", BODY, headers)
            answer = connection.getresponse()
            answer.read()
            with lock:
                answered.append(identity) if answer.status == 200 else failed.append((identity, answer.status))
        connection.close()

    def more(count: int) -> None:
        goal = len(answered) + count
        wait_for(lambda: len(answered) >= goal, "traffic", 60)

    replica = f"{stack.environ['COMPOSE_PROJECT_NAME']}-gte-service-2"
    template = "{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}"
    addresses = {f"{address}:5000" for address in stack.must("docker", "inspect", "-f", template, replica).split()}
    before = {code: by_gateway(stack, code) for code in (200, 502)}
    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for one in clients:
        one.start()
    try:
        more(100)
        stack.must("docker", "kill", replica)
        more(200)
    finally:
        over.set()
        for one in clients:
            one.join()
    # Each client had one request at most in its hands, and may have sent another while the kill was still on its way.
    assert len(failed) <= 2 * CLIENTS
    lines = [json.loads(line) for line in gateway_log(stack) if line.startswith("{")]
    told = {line["request_id"]: line for line in lines}
    for identity, status in failed:
        line = told[identity]
        assert (status, line["http_status"]) == (502, 502)
        assert line["replica"] in addresses
        assert line["replica_connect_seconds"] != "-", "it was in nobody's hands"
    # Its counts are on a volume, and seen again when it is back.
    stack.must("docker", "start", replica)
    wait_for(lambda: counted(stack) >= len(answered), "all answers in Prometheus", 90)
    assert counted(stack) <= len(answered) + len(failed)
    expected = {200: before[200] + len(answered), 502: before[502] + len(failed)}
    wait_for(lambda: {code: by_gateway(stack, code) for code in expected} == expected, "each answer, counted once", 30)


def by_gateway(stack: Stack, code: int) -> float:
    """How many answers of `sentiment` (of nginx itself, where no replica has answered) the gateway has counted."""
    task = "sentiment" if code == 200 else ""
    found = stack.query(f'nginx_http_requests_total{{task_type="{task}",code="{code}"}}')
    return sum(float(sample["value"][1]) for sample in found)


def gateway_log(stack: Stack) -> list[str]:
    return stack.must("docker", "compose", "logs", "--no-color", "--no-log-prefix", "gateway").splitlines()
