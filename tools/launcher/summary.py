"""What a person is told once the stack runs: addresses, states, the model, what is missing, the password."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tools.launcher.compose import Compose, Service, Stack, names
from tools.launcher.console import loud, say, table
from tools.launcher.images import is_standin
from tools.launcher.readiness import ModelState
from tools.launcher.start import Container

_PAGES: Mapping[tuple[str, int], str] = {
    ("gte-service", 5000): "the API and its page",
    ("gte-service", 9090): "its metrics",
    ("prometheus", 9090): "queries, targets, rules",
    ("alertmanager", 9093): "alerts, silences",
    ("alert-inbox", 5001): "every notification",
    ("grafana", 3000): "dashboards",
    ("node-exporter", 9100): "the host's metrics",
}
"""What is found at a container's port, for people, in the order in which they look for it."""

_PASSWORD_FILE = "/var/lib/grafana/admin-password"  # noqa: S105 (a file's name)
_SHOWN_MARK = "/var/lib/grafana/.password-shown"


def print_summary(compose: Compose, stack: Stack, now: Mapping[str, Container], left_out: Sequence[Service]) -> None:
    """Print the short list: service, address, state."""
    say(f"\nProject {stack.project}\n")
    say(table(status_rows(stack, now, names(left_out))))
    standins = [service.name for service in stack.active() if not service.built and is_standin(service.image)]
    if standins:
        say()
        say(f"Stand-ins from Debian packages: {', '.join(standins)}. Their APIs are whole; Prometheus and Alertmanager")
        say("have no web page of their own there.")


def print_left_out(left_out: Sequence[Service]) -> None:
    """Say loudly what does not run, and how to have it."""
    for service in left_out:
        loud(
            f"LEFT OUT: {service.name}",
            (
                f"Its image {service.image} is not on this host, can't be pulled, and has no stand-in.",
                "The rest of the stack runs without it; its checks are reported as left out, never as passed.",
                "To have it: set IMAGE_REGISTRY in .env to a mirror, or `docker load` the image; then `make up`.",
            ),
        )


def print_model(model: ModelState) -> None:
    """Print which model answers; nobody must take the demo model for GTE."""
    if model.demo and model.status == "ready":
        loud(
            f"DEMO MODEL: {model.model}, revision {model.revision}",
            (
                "Its vectors only count which characters texts share. They say nothing of meaning.",
                "The real model: `make up` where ModelScope can be reached, or GTE_MODEL_DIR in .env.",
            ),
        )
    elif model.status == "ready":
        say(f"\nModel: {model.model}, revision {model.revision}")
    else:
        say(f"\nModel: {model.line or 'the service gives no answer'}")


def print_password(compose: Compose) -> None:
    """Print Grafana's admin password the first time, afterwards where it is kept."""
    script = f"[ ! -e {_SHOWN_MARK} ] || exit 3; cat {_PASSWORD_FILE} && touch {_SHOWN_MARK}"
    asked = compose.capture("exec", "-T", "grafana", "sh", "-c", script)
    if asked.returncode == 0:
        say("\nGrafana: anyone may look. To change things log in, this once shown:")
        say(f"  user admin, password {asked.stdout.strip()}")
    else:
        say(f"\nGrafana's admin password: docker compose exec grafana cat {_PASSWORD_FILE}")


def status_rows(stack: Stack, now: Mapping[str, Container], left_out: Sequence[str]) -> list[list[str]]:
    """The rows of the list: service, address, state, what is there."""
    rows = [["SERVICE", "ADDRESS", "STATE", ""]]
    order = [name for name, _ in _PAGES]
    for service in sorted(
        stack.active(), key=lambda item: order.index(item.name) if item.name in order else len(order)
    ):
        container = now.get(service.name)
        state = "LEFT OUT" if service.name in left_out else container.said if container else "not running"
        for port in service.ports:
            address = "-" if service.name in left_out else f"http://{port.address}"
            path = "/metrics" if (service.name, port.target) == ("gte-service", 9090) and address != "-" else ""
            rows.append([service.name, address + path, state, _PAGES.get((service.name, port.target), "")])
    return rows
