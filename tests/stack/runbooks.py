"""Runs the commands of a runbook on a stack, as somebody does who reads the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.config.runbooks import Command, page
from tests.stack.running import Stack, wait_for


def run(stack: Stack, command: Command) -> tuple[int, str]:
    """The exit status and the output of a command, whichever it is; one that hangs is an error."""
    done = stack.run("bash", "-c", command.script, seconds=90)
    return done.returncode, done.stdout


def begin(stack: Stack, verb: str, service: str) -> None:
    """Kill or pause a container; on a busy machine the kernel may need another try to freeze it."""
    wait_for(lambda: stack.run("docker", "compose", verb, service).returncode == 0, f"{verb} {service}", 20)


def look(stack: Stack, alert: str) -> str:
    """What all commands of the page's diagnosis print, in order."""
    commands = [command for block in page(alert).looks for command in block]
    with ThreadPoolExecutor(4) as pool:
        return "".join(output for _, output in pool.map(lambda command: run(stack, command), commands))


def wait_until_shown(stack: Stack, alert: str, shown: Sequence[str], seconds: float) -> str:
    """Look until the page's diagnosis prints all of these regular expressions; returns what it prints then."""
    output = ""

    def missing() -> list[str]:
        return [pattern for pattern in shown if not re.search(pattern, output)]

    def is_shown() -> bool:
        nonlocal output
        output = look(stack, alert)
        return not missing()

    try:
        wait_for(is_shown, "what the page speaks of", seconds)
    except AssertionError as error:
        raise AssertionError(f"{missing()} in\n{output}") from error
    return output


def change(stack: Stack, alert: str, text: str) -> str:
    """Run one of the page's commands that change something; it has to succeed."""
    (command,) = {command for block in page(alert).changes for command in block if command.text == text}
    status, output = run(stack, command)
    assert status == 0, f"{command.script} ended with {status}:\n{output}"
    return output
