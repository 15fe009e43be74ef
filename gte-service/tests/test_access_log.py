"""The access log has one line for each request, and its lines add up to what the counters say."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from conftest import Service, wait_for

TASK_KEYS = [
    "time", "request_id", "method", "path", "task_type", "status", "reason", "http_status", "latency_ms", "tokenize_ms",
    "queue_ms", "inference_ms", "postprocess_ms", "tokens", "batch_share", "revision", "worker",
]  # fmt: skip
SAMPLE = re.compile(r"(?P<name>gte_task_(?!phase)\w+_(total|count))\{(?P<labels>[^}]*)\}")


def lines(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]


def line_of(service: Service, identity: str) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        return [line for line in lines(service) if line["request_id"] == identity]

    # The line is written after the answer has been made, and maybe after the client has it.
    only: dict[str, Any] = wait_for(found, f"the line of {identity}")[0]
    assert len(found()) == 1
    return only


def test_a_task_has_a_line_with_the_parts_of_its_time_and_not_its_text(service: Service) -> None:
    begun = datetime.now(UTC)
    identity = service.predict("embedding", "秘密的文字").json["request_id"]
    line = line_of(service, identity)
    assert list(line) == TASK_KEYS
    assert (line["task_type"], line["status"], line["reason"]) == ("embedding", "success", None)
    assert (line["method"], line["path"], line["http_status"]) == ("POST", "/predict", 200)
    counted = datetime.fromisoformat(line["time"])
    assert counted.utcoffset() == timedelta(0)
    assert begun < counted < datetime.now(UTC)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", line["time"])
    parts = [line[f"{phase}_ms"] for phase in ("tokenize", "queue", "inference", "postprocess")]
    assert min(parts) >= 0
    assert 0 < sum(parts) < line["latency_ms"]
    assert line["tokens"] == 5 + 2
    assert line["batch_share"] == 1
    assert line["revision"] == service.readiness()["revision"]
    assert line["worker"] in {0, 1}
    assert "秘密" not in service.log.read_text()
    assert json.dumps("秘密")[1:-1] not in service.log.read_text()


def test_a_refused_task_has_a_line_that_says_why(service: Service) -> None:
    answer = service.predict("embedding", " ")
    line = line_of(service, answer.headers["X-Request-ID"])
    assert (line["task_type"], line["status"], line["reason"]) == ("embedding", "invalid", "invalid_input")
    assert (line["http_status"], line["tokens"], line["batch_share"], line["inference_ms"]) == (400, 0, None, None)


def test_a_reason_that_nobody_named_is_in_the_log_as_in_the_counters(service: Service) -> None:
    answer = service.ask("/predict", data=b"x" * (5 << 20))
    line = line_of(service, answer.headers["X-Request-ID"])
    assert (line["task_type"], line["status"], line["reason"]) == ("unknown", "invalid", "too_large")


def test_other_requests_have_a_shorter_line_and_probes_have_none(service: Service) -> None:
    for path in ("/healthz", "/readyz", "/static/page.css", "/static/none"):
        service.ask(path, headers={"X-Request-ID": f"silent{path.replace('/', '-')}"})
    service.ask("/predict", headers={"X-Request-ID": "no-task"})
    assert list(line_of(service, "no-task")) == [
        "time", "request_id", "method", "path", "http_status", "latency_ms", "worker"
    ]  # fmt: skip
    assert "silent-" not in service.log.read_text()


def test_the_share_of_a_computation_is_that_of_the_request(new_service: Callable[..., Service]) -> None:
    service = new_service(GTE_WORKERS="1")
    service.wait_until("ready")
    # The long request computes until after the short ones have come, which then are computed with others.
    with ThreadPoolExecutor(16) as clients:
        long = clients.submit(service.predict, "embedding", ["一段比较长的文字用来让计算持续一会儿" * 20] * 64)
        short = [clients.submit(service.predict, "embedding", "天气") for _ in range(15)]
        answers = [one.result() for one in (long, *short)]
    shares = [line_of(service, answer.json["request_id"])["batch_share"] for answer in answers]
    assert all(0 < share <= 1 for share in shares)
    assert min(shares) < 0.9


def hang_up(service: Service, data: bytes) -> None:
    """Send something and reset the connection."""
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def counted(service: Service) -> Counter[tuple[str, ...]]:
    """What the counters say, by what they are labelled with."""
    found: Counter[tuple[str, ...]] = Counter()
    for name, value in service.metrics().items():
        sample = SAMPLE.fullmatch(name)
        if sample and value:
            labels = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
            kind = "status" if "status" in labels else "reason" if "reason" in labels else "all"
            found[labels["task_type"], kind, labels.get(kind, "")] = int(value)
    return found


def listed(service: Service) -> Counter[tuple[str, ...]]:
    """The same, from the lines."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in lines(service):
        if "status" in line:
            found[line["task_type"], "status", line["status"]] += 1
            found[line["task_type"], "all", ""] += 1
            if line["reason"]:
                found[line["task_type"], "reason", line["reason"]] += 1
    return found


def test_the_lines_of_a_busy_run_add_up_to_the_counters(new_service: Callable[..., Service]) -> None:
    service = new_service(
        GTE_WORKERS="2", GTE_QUEUE_TEXTS="8", GTE_BATCH_TOKENS="32", GTE_DEADLINE_SECONDS="1", GTE_MAX_TEXTS="9000",
        GTE_MAX_TOKENS="1000000", GTE_MAX_BODY_BYTES="3000000", GTE_PROBE_SECONDS="1",
    )  # fmt: skip
    # Before the model is ready, too.
    wait_for(lambda: service.readiness()["status"] != "unreachable", "the port")
    service.predict("embedding", "天气")
    service.wait_until("ready")
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    good = json.dumps({"task_type": "embedding", "input_text": "一段文字" * 60}).encode()
    slow = json.dumps({"task_type": "embedding", "input_text": ["一段文字" * 100] * 200}).encode()
    kinds: list[Callable[[], object]] = [
        lambda: service.predict("embedding", "一段文字" * 60),
        lambda: service.predict("embedding", "天气"),
        lambda: service.predict("embedding", ["天气", None, ""]),
        lambda: service.predict("similarity", ["天气", "股票"]),
        lambda: service.ask("/predict", data=slow),
        lambda: service.predict("embedding", ""),
        lambda: service.predict("sing", "天气"),
        lambda: service.predict("\ud800" * 300, "天气"),
        lambda: service.ask("/predict", data=b"[" * 5000),
        lambda: service.ask("/predict", data=b"x" * 4_000_000),
        lambda: service.ask("/predict"),
        lambda: service.ask("/" + "%F0%9F%98%80" * 400),
        lambda: service.ask("/"),
        lambda: hang_up(service, head + b"Content-Length: %d\r\n\r\n" % len(good) + good),
        lambda: hang_up(service, head + b"Content-Length: %d\r\n\r\n" % len(slow) + slow),
        lambda: hang_up(service, head + b"Content-Length: %d\r\n\r\n" % len(good) + good[:40]),
        lambda: hang_up(service, head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        lambda: hang_up(service, b"GARBAGE\r\n\r\n"),
    ]

    def send(number: int) -> None:
        with suppress(OSError, http.client.HTTPException):
            kinds[number % len(kinds)]()

    with ThreadPoolExecutor(12) as clients:
        list(clients.map(send, range(10 * len(kinds))))
    # Alone it is not refused, and takes longer than it may on any machine.
    service.predict("embedding", ["一段比较长的文字用来让计算持续一会儿" * 3] * 9000)

    def at_rest() -> bool:
        first = counted(service)
        return first == counted(service) == listed(service) and not any(
            value for name, value in service.metrics().items() if name.startswith("gte_active_requests")
        )

    try:
        wait_for(at_rest, "the last requests", seconds=20)
    finally:
        difference = {key: (counted(service)[key], listed(service)[key]) for key in counted(service) | listed(service)}
        difference = {key: pair for key, pair in difference.items() if pair[0] != pair[1]}
        assert difference == {}
    reasons = {value for _, kind, value in counted(service) if kind == "reason"}
    assert {"invalid_json", "invalid_input", "unknown_task", "too_large", "overloaded", "deadline"} <= reasons


def test_a_request_is_answered_when_nobody_reads_the_log(new_service: Callable[..., Service]) -> None:
    reading, writing = os.pipe()
    service = new_service(GTE_WORKERS="1", stdout=writing)
    os.close(writing)
    os.close(reading)
    service.wait_until("ready")
    assert [service.predict("embedding", "天气").status for _ in range(3)] == [200] * 3
    complaints = [line for line in service.log.read_text().splitlines() if "access log" in line]
    assert len(complaints) == 1
    assert service.metrics()['gte_task_requests_total{status="success",task_type="embedding"}'] == 3


def test_lines_of_threads_and_workers_never_mix(service: Service) -> None:
    paths = [f"/none-{number}-" + "%01" * 1300 for number in range(200)]
    before = len(lines(service))
    threads = [threading.Thread(target=lambda part: [service.ask(path) for path in part], args=(paths[n::8],))
               for n in range(8)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    wait_for(lambda: len(lines(service)) >= before + len(paths), "all lines")
    fresh = lines(service)[before:]
    assert Counter(line["path"].split("-")[1] for line in fresh) == {str(n): 1 for n in range(200)}
    assert all(len(json.dumps(line)) < 4096 for line in fresh)
