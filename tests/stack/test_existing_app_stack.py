"""The existing app's stack: what was sent is what Prometheus has, also after the app's container was killed."""

from __future__ import annotations

import json
import re
import shlex
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.config.containers import IMAGE_TAG
from tests.stack.running import ROOT, free_ports, wait_for
from tests.stack.running_example import FOLDER, HOST_APP, PROJECT, README, Example
from tools.launcher.images import is_present

SENTENCE = "张三在北京参加了奥运会"
PAIR = f"{SENTENCE}。李四在上海。|李四在哪里"
# What is sent, how often, what it is answered with, and under which status it must be counted.
REQUESTS = (
    ("embedding", SENTENCE, 13, 200, "success"),
    ("similarity", PAIR, 11, 200, "success"),
    ("sentiment", SENTENCE, 7, 200, "success"),
    ("classification", SENTENCE, 6, 200, "success"),
    ("qa", PAIR, 5, 200, "success"),
    ("ner", SENTENCE, 4, 200, "success"),
    ("relation", SENTENCE, 3, 200, "success"),
    ("event", SENTENCE, 2, 200, "success"),
    ("qa", SENTENCE, 3, 400, "invalid"),
    ("embedding", "", 2, 400, "invalid"),
    ("unknown", SENTENCE, 5, 400, "invalid"),
    ("classification", "故障演练", 4, 500, "error"),
)
SENT = sum(times for _, _, times, _, _ in REQUESTS)
OWN_METRICS = """
from app import app
from prometheus_client import Counter, Gauge
Counter("gte_task_requests_total", "Mine.", ["task_type"]).labels("qa").inc()
Gauge("gte_workers", "Mine.").set(99)
Counter("orders_total", "Orders.").inc()
"""
# What the overview says of it on the first screen, without colours where it has no figure.
WORDS = {
    "Answering": "state: all[#5794F2]",
    "Model": "no model reported: 1[#808080]",
    "Room left": "too little traffic to say[#808080]",
}
# A scrape every 5 s; the rest is room for a busy machine.
SCRAPED_SECONDS = 60


@pytest.fixture(scope="module")
def example() -> Iterator[Example]:
    """The running stack; gone, whatever happens, after the last test."""
    started = Example()
    # What an earlier run left when it was killed.
    started.remove()
    try:
        started.up()
        yield started
    finally:
        started.remove()
    assert started.left() == []


def expected(rounds: int) -> Counter[tuple[str, str]]:
    tally: Counter[tuple[str, str]] = Counter()
    for task_type, _, times, _, status in REQUESTS:
        tally[task_type, status] += rounds * times
    return tally


def send_all(example: Example) -> None:
    single = [request for request in REQUESTS for _ in range(request[2])]
    with ThreadPoolExecutor(8) as clients:
        statuses = list(clients.map(lambda request: example.post(request[0], request[1]), single))
    assert statuses == [request[3] for request in single]


def counted(example: Example) -> Counter[tuple[str, str]]:
    """What Prometheus has, by task and status."""
    samples = example.query("sum by (task_type, status) (gte_task_requests_total) > 0")
    return Counter({(one["metric"]["task_type"], one["metric"]["status"]): int(one["value"][1]) for one in samples})


def value(example: Example, expression: str) -> float:
    (sample,) = example.query(expression)
    return float(sample["value"][1])


def test_the_image_holds_flask_and_what_measures_it_and_no_torch(example: Example) -> None:
    run = ("docker", "run", "--rm", "--network", "none", example.image)
    listed = json.loads(example.must(*run, "pip", "list", "--format", "json", "--disable-pip-version-check"))
    installed = {package["name"].lower().replace("_", "-"): package["version"] for package in listed}
    assert {"flask", "gunicorn", "prometheus-client", "gte-monitoring"} <= installed.keys()
    assert {"torch", "numpy", "tokenizers", "transformers", "modelscope"} & installed.keys() == set()
    assert example.run(*run, "python", "-c", "import torch").returncode == 1
    own, service = (
        dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (folder / "requirements.txt").read_text(), re.M))
        for folder in (FOLDER, ROOT / "gte-service")
    )
    assert {"flask", "gunicorn", "prometheus-client"} <= own.keys()
    assert own.items() <= installed.items()
    assert own.items() <= service.items()


def test_the_containers_are_healthy_locked_down_and_only_on_this_host(example: Example) -> None:
    containers = example.containers()
    assert {"gte-service", "prometheus", "alertmanager", "alert-inbox", "node-exporter"} <= containers.keys()
    assert {one["State"]["Health"]["Status"] for one in containers.values()} == {"healthy"}
    bindings = [
        port for one in containers.values() for ports in one["HostConfig"]["PortBindings"].values() for port in ports
    ]
    assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}
    app = containers["gte-service"]
    assert app["Config"]["User"] not in {"", "0", "root"}
    assert app["HostConfig"]["ReadonlyRootfs"] is True
    assert app["HostConfig"]["CapDrop"] == ["ALL"]
    assert app["HostConfig"]["Memory"] > 0


def test_prometheus_has_exactly_what_was_sent(example: Example) -> None:
    # The next test asks for rates: they are made from what a scrape finds more than the one before it.
    wait_for(lambda: example.query("gte_workers"), "the first scrape", SCRAPED_SECONDS)
    send_all(example)
    wait_for(lambda: sum(counted(example).values()) >= SENT, "the requests in Prometheus", SCRAPED_SECONDS)
    assert counted(example) == expected(1)
    assert value(example, "gte_workers") == 4
    assert value(example, "gte_server_up") == 1
    assert value(example, 'sum(flask_http_request_total{method="POST"})') == SENT
    assert value(example, 'sum(flask_http_request_total{method="POST",status="500"})') == 4
    assert value(example, "sum(gte_task_latency_seconds_count)") == SENT


def test_the_projects_rules_work_on_it(example: Example) -> None:
    recorded = "sum by (task_type) (job_task_type_status:gte_task_requests:rate1m) > 0"
    wait_for(lambda: len(example.query(recorded)) == 9, "the rate of each task and of unknown", SCRAPED_SECONDS)


def test_the_overview_shows_its_tasks_and_says_in_words_what_it_has_no_figures_for(example: Example) -> None:
    tools = f"gte-observability/dashboard-tools:{IMAGE_TAG}"
    if not is_present(tools):
        pytest.skip("the viewer's tools are not built here")
    prometheus = example.must("docker", "compose", "ps", "-q", "prometheus").strip()
    shown = example.must(
        "docker", "run", "--rm", f"--network=container:{prometheus}",
        f"--volume={ROOT}/grafana/dashboards:/dashboards:ro", tools,
        "check.mjs", "--prometheus", "http://127.0.0.1:9090", "/dashboards/en/gte-overview.json",
    )  # fmt: skip
    lines = shown.split("\n")
    said = {title: lines[lines.index(f"gte-overview: {title}") + 1].strip() for title in WORDS}
    assert said == WORDS
    table = shown.split("gte-overview: Tasks: now, an hour ago, a day ago\n")[1].split("\ngte-overview: ")[0]
    assert {line.split(" | ")[0].strip() for line in table.splitlines()[1:]} == {task for task, *_ in REQUESTS}
    # 4 of the 10 that were valid.
    assert re.search(r"^gte-overview: Worst errors\n  classification: 40(\.0)?%\[#F2495C\]$", shown, re.M), shown


def promtool_says(example: Example, port: int) -> str:
    check = f"wget -q -O - http://gte-service:{port}/metrics | promtool check metrics"
    return example.must("docker", "compose", "exec", "-T", "prometheus", "sh", "-c", check)


def test_prometheus_own_checker_has_nothing_to_say_of_its_metrics(example: Example) -> None:
    assert promtool_says(example, 9090) == ""


def test_prometheus_own_checker_has_nothing_to_say_where_the_app_has_metrics_of_the_same_names(
    example: Example,
) -> None:
    start = (
        f"printf %s {shlex.quote(OWN_METRICS)} > /tmp/own.py; cd /tmp; PYTHONPATH=/app exec "
        "gunicorn -c python:gte_monitoring.gunicorn_conf -b 127.0.0.1:5001 own:app"
    )
    variables = ("-e", "GTE_METRICS_DIR=/tmp/own", "-e", "GTE_METRICS_LISTEN_PORT=9191")
    example.must("docker", "compose", "exec", "-d", *variables, "gte-service", "sh", "-c", start)
    shown = (
        "docker",
        "compose",
        "exec",
        "-T",
        "prometheus",
        "wget",
        "-q",
        "-O",
        "-",
        "http://gte-service:9191/metrics",
    )
    wait_for(lambda: "\norders_total 1.0" in example.run(*shown).stdout, "its metrics", SCRAPED_SECONDS)
    assert promtool_says(example, 9191) == ""


def test_counts_go_on_after_the_container_was_killed(example: Example) -> None:
    example.must("docker", "kill", f"{PROJECT}-gte-service-1")
    example.must("docker", "start", f"{PROJECT}-gte-service-1")
    wait_for(lambda: answers(example), "the app again", SCRAPED_SECONDS)
    send_all(example)
    wait_for(lambda: sum(counted(example).values()) >= 2 * SENT, "the requests in Prometheus", SCRAPED_SECONDS)
    assert counted(example) == expected(2)
    assert value(example, "sum(resets(gte_task_requests_total[10m]))") == 0
    assert value(example, "gte_workers") == 4


def answers(example: Example) -> bool:
    try:
        return bool(example.get("GTE_PORT", "/health"))
    except OSError:
        return False


def start_on_host(example: Example, address: str, ports: tuple[int, int]) -> None:
    """Start the app on the host, with its metrics at an address; "" is what it chooses itself."""
    example.run("docker", "rm", "--force", HOST_APP)
    example.must(
        "docker", "run", "--detach", f"--name={HOST_APP}", "--network=host", "--env=GTE_METRICS_DIR=/metrics",
        f"--env=GTE_METRICS_ADDRESS={address}", f"--env=GTE_METRICS_LISTEN_PORT={ports[1]}", example.image,
        "gunicorn", "-c", "python:gte_monitoring.gunicorn_conf", "-w", "2", "-b", f"127.0.0.1:{ports[0]}", "app:app",
    )  # fmt: skip


def ask_on_host(port: int, path: str, body: object = None) -> int:
    """HTTP status of an answer of the app on the host; 0 for none."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def test_an_app_on_the_host_is_scraped_once_a_file_names_it_and_the_rules_and_alerts_take_it_up(
    example: Example,
) -> None:
    one, other = free_ports(2)
    ports = (one, other)
    page = (ROOT / "prometheus/targets/README.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^(docker network inspect .+?) +# 172", page, re.M)
    bridge = example.must(*shlex.split(command)).strip()
    shipped = (ROOT / "prometheus/targets/example.yml.disabled").read_text(encoding="utf-8")
    assert shipped.count(":9464") == 2
    started = example.containers()["prometheus"]["State"]["StartedAt"]

    # As it is by default: a container can't reach the host's loopback address on Linux.
    start_on_host(example, "", ports)
    named = shipped.replace("host.docker.internal:9464", f"host.docker.internal:{ports[1]}").replace(
        "my-app", "tutorial"
    )
    (example.targets / "targets/app.yml").write_text(named)
    wait_for(lambda: example.query('up{job="tutorial"} == 0'), "the target that can't be reached", SCRAPED_SECONDS)
    assert ask_on_host(ports[1], "/metrics") == 200

    # As the page says.
    start_on_host(example, bridge, ports)
    wait_for(lambda: example.query('up{job="tutorial"} == 1'), "the app on the host", SCRAPED_SECONDS)
    assert ask_on_host(ports[1], "/metrics") == 0
    wait_for(lambda: ask_on_host(ports[0], "/health") == 200, "the app", SCRAPED_SECONDS)
    for _ in range(6):
        assert ask_on_host(ports[0], "/predict", {"task_type": "event", "input_text": "故障演练"}) == 500
    counts = 'sum(gte_task_requests_total{job="tutorial",task_type="event",status="error"})'
    wait_for(lambda: example.query(counts) and value(example, counts) == 6, "its counts", SCRAPED_SECONDS)
    alert = 'ALERTS{alertname="GTE_ErrorRateHigh",job="tutorial",task_type="event"}'
    wait_for(lambda: example.query(alert), "the alert on its errors, pending or firing", SCRAPED_SECONDS)
    assert example.query('up{job="gte-service"}')[0]["value"][1] == "1"

    (example.targets / "targets/app.yml").unlink()
    wait_for(lambda: not example.query('up{job="tutorial"}'), "the end of its target", SCRAPED_SECONDS)
    assert example.containers()["prometheus"]["State"]["StartedAt"] == started


def test_its_readmes_name_the_same_commands(example: Example) -> None:
    chinese = (FOLDER / "README.zh-CN.md").read_text(encoding="utf-8")
    commands = [re.findall(r"```bash\n(.*?)```", text, re.S) for text in (README, chinese)]
    assert commands[0] == commands[1]
    assert len(commands[0]) > 4
