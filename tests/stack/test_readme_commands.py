"""Runs the commands of the README against the stack, as they are written but for ports.

README.zh-CN.md has the same commands: tests/config/test_readmes.py.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.stack.running import ROOT, Stack, free_ports, wait_for

_README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```bash\n(.*?)^```", re.M | re.S)
_DEFAULT_PORTS = {"GTE_PORT": 5000, "GTE_METRICS_PORT": 9090}

# By how a command begins: what its output has on the demo model.
HERE: Mapping[str, str] = {
    'curl -X POST http://127.0.0.1:5000/predict -H \'Content-Type: application/json\' -d \'{"task_type":"embedding"': (
        r'"result":\[-?0\.\d+.*"task_type":"embedding"'
    ),
    'curl -X POST http://127.0.0.1:5000/predict -H \'Content-Type: application/json\' -d \'{"task_type":"similarity"': (
        r'"scores":\[0\.\d+,.*"ranking":\[0,1\]'
    ),
    "curl -X POST http://127.0.0.1:5000/v1/embeddings": r'"object":"embedding".*"usage"',
    "curl -s http://127.0.0.1:9090/metrics": r'gte_task_requests_total\{.*task_type="embedding".*\} [1-9]',
    "docker compose exec gte-service gte-service update-model": "does not come from ModelScope",
    "docker compose exec gte-service gte-service rollback": "has no versions to go back to",
}
# Those that another test runs, or that are a part of this run themselves.
ELSEWHERE: Mapping[str, str] = {
    "make test": "tests/run.py::main",
    "make up": "tests/stack/faults.py::test_a_model_folder_that_is_damaged_is_told",
    "docker compose up -d --wait": "tests/stack/test_by_hand.py::test_compose_by_hand_changes_nothing",
    "make lint": "tests/run.py::lint",
    "make unit": "tests/run.py::unit",
    "make smoke": "tests/stack/test_stack.py::test_the_smoke_test_passes",
    "make load": "tests/stack/test_stack.py::test_the_load_test_agrees_with_prometheus",
    "docker compose kill gte-service": "tests/stack/test_stack.py::test_a_killed_service_brings_an_alert",
    "docker compose start gte-service": "tests/stack/faults.py::killed",
    "echo 'https://oapi.dingtalk.com/robot/send": "tests/stack/test_stack.py::test_a_killed_service_brings_an_alert",
    "make notify-test": "tests/stack/test_stack.py::test_a_killed_service_brings_an_alert",
    "cp prometheus/targets/example.yml.disabled": (
        "tests/stack/test_existing_app_stack.py::test_an_app_on_the_host_is_scraped_once_a_file_names_it"
    ),
}
# They run one after the other, in a test of their own.
OWN_APP = ("pip install ./gte-monitoring gunicorn", "gunicorn -c python:gte_monitoring.gunicorn_conf -w 4 app:app")
APP = """
from flask import Flask, jsonify, request

app = Flask(__name__)


@app.post("/predict")
def predict():
    return jsonify(result=[], task_type=request.json["task_type"])
"""


def commands() -> list[str]:
    """Each command of the README, on one line and without its comment."""
    blocks = "\n".join(_BLOCK.findall(_README)).replace("\\\n", "")
    lines = (re.sub(r" {2,}", " ", re.sub(r"\s#\s.*", "", line)).strip() for line in blocks.splitlines())
    return list(dict.fromkeys(line for line in lines if line))


def with_ports(command: str, stack: Stack) -> str:
    """The command with the ports of this stack instead of those that the README assumes."""
    for name, port in _DEFAULT_PORTS.items():
        command = command.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{stack.environ[name]}/")
    return command


def test_every_command_of_the_readme_is_run_by_a_test() -> None:
    known = (*HERE, *ELSEWHERE, *OWN_APP)
    assert [one for one in commands() if not one.startswith(known)] == []
    assert [one for one in known if not any(command.startswith(one) for command in commands())] == []
    for place in ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert re.search(rf"\bdef {name}", (ROOT / path).read_text(encoding="utf-8")), place


@pytest.mark.parametrize("command", [one for one in commands() if one.startswith(tuple(HERE))])
def test_a_command_of_the_readme_works_as_written(stack: Stack, command: str) -> None:
    assert stack.predict("天") == 200
    output = stack.run("bash", "-c", with_ports(command, stack)).stdout
    (expected,) = (HERE[one] for one in HERE if command.startswith(one))
    assert re.search(expected, output, re.S), output


def test_the_commands_for_an_app_of_ones_own_work_and_leave_nothing_in_the_tree(tmp_path: Path) -> None:
    before = files_of_the_tree()
    port, metrics_port = free_ports(2)
    (tmp_path / "app.py").write_text(APP)
    environ = {
        **os.environ,
        # As in an environment of its own, which the README leaves to its reader.
        "PIP_TARGET": str(tmp_path / "packages"),
        "PYTHONPATH": f"{tmp_path}:{tmp_path / 'packages'}",
        "PATH": f"{tmp_path / 'packages/bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port}",
        "GTE_METRICS_LISTEN_PORT": str(metrics_port),
        "GTE_METRICS_DIR": str(tmp_path / "metrics"),
    }
    install, serve = (next(one for one in commands() if one.startswith(known)) for known in OWN_APP)
    subprocess.run(["bash", "-c", install], cwd=ROOT, env=environ, check=True, timeout=300, capture_output=True)
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(shlex.split(serve), cwd=tmp_path, env=environ, stdout=log, stderr=log)
        try:
            body = urllib.request.Request(
                f"http://127.0.0.1:{port}/predict", b'{"task_type":"ner"}', {"Content-Type": "application/json"}
            )
            wait_for(lambda: answer(body), f"the app, which says {(tmp_path / 'log').read_text()}", 60)
            counted = re.compile(r'^gte_task_requests_total\{.*task_type="ner".*\} 1\.0', re.M)
            metrics = urllib.request.Request(f"http://127.0.0.1:{metrics_port}/metrics")
            wait_for(lambda: counted.search(answer(metrics)), "its metrics", 30)
        finally:
            server.terminate()
            server.wait(60)
    assert files_of_the_tree() == before


def files_of_the_tree() -> set[str]:
    """Every file that a clone hasn't, but for what Python and the tests' tools keep."""
    listed = subprocess.check_output(
        ["git", "status", "--porcelain", "--ignored", "--untracked-files=all"], cwd=ROOT, text=True
    )
    return {line[3:] for line in listed.splitlines() if not re.search(r"__pycache__|\.venv|_cache/", line)}


def answer(request: urllib.request.Request) -> str:
    """The body of an answer; "" where there is none."""
    try:
        with urllib.request.urlopen(request, timeout=10) as given:
            text: str = given.read().decode()
            return text
    except OSError:
        return ""
