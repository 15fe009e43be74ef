"""The commands of the runbooks work as they are written, on a running stack with other ports."""

from __future__ import annotations

import re

import pytest

from tests.config.documents import queries
from tests.config.test_env_example import DEFAULTS
from tests.config.test_runbooks import NAMES, PAGES, commands
from tests.stack.running import Stack

TEXTS = [(PAGES / f"{alert}.md").read_text(encoding="utf-8") for alert in NAMES]
COMMANDS = list(dict.fromkeys(command for text in TEXTS for command in commands(text)))
QUERIES = [command for command in COMMANDS if "promtool query" in command]
# One that asks Prometheus stands for all: they differ in the query only. And the whole disk takes a minute.
STEPS = [
    QUERIES[0],
    *(command for command in COMMANDS if command not in QUERIES and not command.startswith("timeout ")),
]
# A person reads it at 3 a.m.
MOST_LINES = 60
# What a program says that doesn't know what it was told. In a pipe its exit status is lost.
MISUSE = re.compile(r"^(usage:|unknown |no such service|.*: (command not found|invalid )|.*parsing error)", re.I | re.M)


def with_ports(command: str, stack: Stack) -> str:
    """The command with the ports of this stack in place of the shipped ones."""
    if command.startswith("curl "):
        for name, port in DEFAULTS.items():
            if name.endswith("_PORT"):
                command = command.replace(f"127.0.0.1:{port}/", f"127.0.0.1:{stack.environ[name]}/")
    return command


@pytest.mark.parametrize("command", STEPS)
def test_command_works_and_prints_a_page_at_most(command: str, stack: Stack) -> None:
    output = stack.must("bash", "-c", with_ports(command, stack), seconds=60)
    assert not MISUSE.search(output), output
    assert len(output.splitlines()) <= MOST_LINES, output


def test_prometheus_answers_every_query_in_a_page_at_most(stack: Stack) -> None:
    lengths = {query: len(stack.query(query)) for text in TEXTS for query in queries(text)}
    assert any(lengths.values())
    assert {query: length for query, length in lengths.items() if length > MOST_LINES} == {}
