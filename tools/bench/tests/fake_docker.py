"""A container engine without containers: it keeps what was called, and each service answers as the test wants it to."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tools.bench.docker import PROJECT, DockerError

Answer = Callable[[Any], Any]
"""The answer to a request's JSON; a DockerError is what a candidate that fails comes to."""


class FakeDocker:
    """Calls of `docker`, answered.

    Attributes:
        answers: of each service of compose.yaml, by its name there.
        sent: what the load generator prints for so many requests.
        breaks: the call that fails, as "verb service".
        cpu: the use of CPU that is shown of every container.
        calls: "verb service" of what was called, in its order.
    """

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.sent: Callable[[int], dict[str, Any]] = lambda count: {
            "seconds": 2.0, "answers": {"200": count}, "errors": {}, "latency_us": [[100_000, count]],
        }  # fmt: skip
        self.breaks = ""
        self.cpu = "0.5%"
        self.calls: list[str] = []

    def __call__(self, *words: str, stdin: str = "", merge: bool = False, timeout: float = 600.0) -> str:
        line = " ".join(words)
        verb = (
            words[0] if words[0] != "compose" else next(word for word in words if word in {"create", "down", "config"})
        )
        if words[0] == "compose":
            service = words[-1]
        else:
            name = next((word for word in words if f"{PROJECT}-" in word and word.endswith("-1")), "")
            service = name.partition(f"{PROJECT}-")[2].removesuffix("-1")
        if "candidates.memory" in line:
            verb = "memory"
        self.calls.append(f"{verb} {service}")
        if self.breaks == f"{verb} {service}":
            raise DockerError(f"`docker {verb}` failed:\nit broke")
        if verb == "exec":
            return json.dumps(self.answers[service](json.loads(stdin)))
        if verb == "run":
            return json.dumps(self.sent(int(words[words.index("--requests") + 1])))
        answers = {
            "memory": "100.5",
            "stats": json.dumps(self.cpu),
            "inspect": "running",
            "logs": "one\n\nlast words\n",
        }
        return answers.get(verb, "")

    def services(self, verb: str) -> list[str]:
        """The services that a verb was called for, in their order."""
        return [call.partition(" ")[2] for call in self.calls if call.startswith(f"{verb} ")]
