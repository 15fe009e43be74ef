"""Starting services and following them, with containers of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tools import ROOT
from tools.launcher.compose import Compose
from tools.launcher.images import is_present
from tools.launcher.start import Container, StackError, containers, start, worst_containers
from tools.launcher.tests.conftest import needs_engine

HEALTHY = {"Service": "a", "State": "running", "Health": "healthy"}
SICK = {"Service": "a", "State": "running", "Health": "unhealthy"}


def test_a_replica_that_is_not_healthy_decides_whatever_the_order() -> None:
    assert worst_containers([HEALTHY, SICK])["a"].description == "unhealthy"
    assert worst_containers([SICK, HEALTHY])["a"].description == "unhealthy"
    assert worst_containers([HEALTHY, HEALTHY])["a"].healthy


@pytest.mark.parametrize(
    ("container", "healthy", "failed", "description"),
    [
        (Container("running", "healthy"), True, False, "healthy"),
        (Container("running", ""), True, False, "running"),
        (Container("running", "starting"), False, False, "starting"),
        (Container("running", "unhealthy"), False, True, "unhealthy"),
        (Container("exited", ""), False, True, "exited"),
        (Container("restarting", ""), False, True, "restarting"),
        (Container("created", ""), False, False, "created"),
    ],
)
def test_the_states_of_a_container(container: Container, healthy: bool, failed: bool, description: str) -> None:
    assert (container.healthy, container.failed, container.description) == (healthy, failed, description)


@pytest.fixture
def services(project: Callable[[str], Compose]) -> Callable[[str, str], Compose]:
    """A project of one service, named as ours, whose check and further lines the test gives."""
    base = Compose(ROOT, {"IMAGE_REGISTRY": ""}).read().services["gte-service"].base_images[0]
    if not is_present(base):
        pytest.skip(f"{base} is not on this host: make prepare")

    def write(check: str, more: str = "") -> Compose:
        return project(
            "services:\n  gte-service:\n"
            f"    image: {base}\n    init: true\n"
            '    command: [sh, -c, "echo what went wrong; sleep 600"]\n'
            f'    healthcheck: {{test: ["CMD", "{check}"], interval: 200ms, retries: 1}}\n{more}'
        )

    return write


@needs_engine
def test_it_returns_once_all_are_healthy(
    services: Callable[[str, str], Compose], capsys: pytest.CaptureFixture[str]
) -> None:
    compose = services("true", "")
    stack = compose.read()
    start(compose, stack, stack.active())
    assert containers(compose) == {"gte-service": Container("running", "healthy")}
    assert "gte-service      healthy" in capsys.readouterr().out


@needs_engine
def test_what_only_the_last_start_had_gives_up_its_port(services: Callable[[str, str], Compose]) -> None:
    compose = services("true", "")
    file = compose.root / "compose.yaml"
    one = file.read_text(encoding="utf-8")
    file.write_text(one.replace("gte-service", "gateway"), encoding="utf-8")
    before = compose.read()
    start(compose, before, before.active())
    file.write_text(one, encoding="utf-8")
    stack = compose.read()
    start(compose, stack, stack.active())
    assert set(containers(compose)) == {"gte-service"}


@needs_engine
def test_a_service_that_is_not_healthy_is_named_with_the_end_of_its_log(
    services: Callable[[str, str], Compose],
) -> None:
    compose = services("false", "")
    stack = compose.read()
    with pytest.raises(StackError, match="Not healthy: gte-service") as raised:
        start(compose, stack, stack.active())
    assert "what went wrong" in str(raised.value)


@needs_engine
def test_a_port_that_is_taken_is_reported_with_what_to_do(services: Callable[[str, str], Compose]) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        compose = services("true", f'    ports: ["127.0.0.1:{taken.getsockname()[1]}:5000"]\n')
        stack = compose.read()
        with pytest.raises(StackError, match="Another program uses one of the ports") as raised:
            start(compose, stack, stack.active())
    assert "Container launcher-test" not in str(raised.value)
