"""Prints the stack for people: addresses, states, the model, services that are left out, the password."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tools.launcher.compose import Compose, Service, Stack, names
from tools.launcher.console import show, show_banner, table
from tools.launcher.images import GRAFANA, VIEWER, is_standin
from tools.launcher.readiness import ModelState
from tools.launcher.start import Container

_PAGES: Mapping[tuple[str, int], str] = {
    ("gateway", 5000): "the API and its page, of all replicas",
    ("gte-service", 5000): "the API and its page",
    ("gte-service", 9090): "its metrics",
    ("prometheus", 9091): "queries, targets, rules",
    ("alertmanager", 9093): "alerts, silences",
    ("alert-inbox", 5001): "every notification",
    (GRAFANA, 3000): "dashboards",
    (VIEWER, 3000): "dashboards (a viewer, not Grafana)",
    ("node-exporter", 9100): "the host's metrics",
}
"""A description of each container port for people, in the order in which they look for it."""

_PROXY = "reverse-proxy"
_BEHIND = {port: name for name, port in _PAGES if name in {"prometheus", "alertmanager", "node-exporter"}}
"""The services whose page the reverse proxy publishes, by its ports."""

_PASSWORD_FILE = "/var/lib/grafana/admin-password"  # noqa: S105 (a file's name)
_SHOWN_MARK = "/var/lib/grafana/.password-shown"


def print_summary(stack: Stack, now: Mapping[str, Container], left_out: Sequence[Service]) -> None:
    """Print the list of services, addresses and states."""
    show(f"\nProject {stack.project}\n")
    show(table(status_rows(stack, now, names(left_out))) + "\n")
    standins = [service.name for service in stack.active() if not service.built and is_standin(service.image)]
    if GRAFANA in standins:
        standins.remove(GRAFANA)
        show("Grafana runs from its own archive, in an image made on this host.")
    if standins:
        show(f"Stand-ins from Debian packages: {', '.join(standins)}. Prometheus and Alertmanager have no pages there.")


def print_left_out(stack: Stack, left_out: Sequence[Service], *, brief: bool = False) -> None:
    """Name each service that does not run for want of its image, and how to get it; brief: on one line each."""
    for service in left_out:
        why, in_its_place, mend = _why_left_out(stack, left_out, service)
        if brief:
            # Nothing has been tried yet where this comes before the first start.
            absent = f"Its image {service.image} is not on this host: `make up` gets it, or says why it can't."
            show(f"Left out: {service.name}. {in_its_place or absent}")
            continue
        rest = "The rest of the stack runs without it; its checks are reported as left out, never as passed."
        show_banner(f"LEFT OUT: {service.name}", [line for line in (why, in_its_place, rest, *mend) if line])


def _why_left_out(stack: Stack, left_out: Sequence[Service], service: Service) -> tuple[str, str, Sequence[str]]:
    """Why a service is left out, what does its work instead ("" for nothing), and how to get it."""
    if service.built:
        return (
            f"Its image {service.image} could not be built.",
            "",
            (
                "To get it: set NPM_REGISTRY in .env to a mirror of npm that this host reaches (.env.example names",
                "one), then `make up`.",
            ),
        )
    in_its_place = ""
    if service.name == GRAFANA and VIEWER in stack.services and VIEWER not in names(left_out):
        address = stack.services[VIEWER].address(3000)
        in_its_place = f"Its dashboards are at http://{address} all the same: {VIEWER} draws them."
    return (
        f"Its image {service.image} is not on this host, can't be pulled, and has no stand-in.",
        in_its_place,
        (
            "To run it: set IMAGE_REGISTRY in .env to a mirror, or `docker load` the image, or set GRAFANA_ARCHIVE",
            "to a copy of Grafana's own archive (grafana-VERSION.linux-ARCHITECTURE.tar.gz); then `make up`.",
        ),
    )


def print_model(model: ModelState, *, brief: bool = False) -> None:
    """Print which model answers; the demo model must not be mistaken for GTE. Brief: on one line."""
    if model.demo and model.status == "ready" and brief:
        show(f"DEMO MODEL: {model.model}, revision {model.revision}. Its vectors tell nothing about meaning.")
    elif model.demo and model.status == "ready":
        show_banner(
            f"DEMO MODEL: {model.model}, revision {model.revision}",
            (
                "Its vectors only count which characters texts share. They tell nothing about meaning.",
                "The real model: `make up` where ModelScope can be reached, or GTE_MODEL_DIR in .env.",
            ),
        )
    elif model.status == "ready":
        show(f"Model: {model.model}, revision {model.revision}")
    else:
        show(f"Model: {model.line or 'the service gives no answer'}")


def print_password(compose: Compose) -> None:
    """Print Grafana's admin password the first time, and afterwards the command that prints it."""
    script = f"[ ! -e {_SHOWN_MARK} ] || exit 3; cat {_PASSWORD_FILE} && touch {_SHOWN_MARK}"
    asked = compose.capture("exec", "-T", "grafana", "sh", "-c", script)
    if asked.returncode == 0:
        show("\nGrafana: anyone may look. To change things, log in with this password, which is shown only once:")
        show(f"  user admin, password {asked.stdout.strip()}")
    else:
        show(f"\nGrafana's admin password: docker compose exec grafana cat {_PASSWORD_FILE}")


def status_rows(stack: Stack, now: Mapping[str, Container], left_out: Sequence[str]) -> list[list[str]]:
    """The rows of the list: service, address, state, description."""
    rows = [["SERVICE", "ADDRESS", "STATE", ""]]
    order = [name for name, _ in _PAGES]
    proxy = stack.services.get(_PROXY)
    behind = {_BEHIND[port.target]: port for port in (proxy.ports if proxy else ()) if port.target in _BEHIND}
    viewer = stack.active(VIEWER) if VIEWER in now or GRAFANA in left_out else []
    for service in sorted(
        [*stack.active(), *viewer], key=lambda item: order.index(item.name) if item.name in order else len(order)
    ):
        container = now.get(service.name)
        state = "LEFT OUT" if service.name in left_out else container.description if container else "not running"
        if service is proxy:
            rows.append([service.name, "-", state, f"stands before {', '.join(behind)}"])
            continue
        for port in [behind[service.name]] if service.name in behind else service.ports:
            address = "-" if service.name in left_out else f"http://{port.address}"
            path = "/metrics" if (service.name, port.target) == ("gte-service", 9090) and address != "-" else ""
            rows.append([service.name, address + path, state, _PAGES.get((service.name, port.target), "")])
        if not service.ports and service.name not in behind:
            rows.append([service.name, "-", state, f"{service.replicas} replicas behind the gateway"])
    return rows
