"""Reads the project's own compose.yaml through Compose."""

from __future__ import annotations

import pytest

from tools import ROOT, cli
from tools.launcher.compose import Compose, Port, Stack, names, parse_stack
from tools.launcher.tests.conftest import needs_docker

SETTINGS = {
    "COMPOSE_PROJECT_NAME": "one",
    "GTE_PORT": "15000",
    "BIND_ADDRESS": "0.0.0.0",
    "IMAGE_REGISTRY": "mirror.example",
    "IMAGE_TAG": "t",
    "GTE_MODEL": "a/b",
    "DEBIAN_MIRROR": "",
}


@pytest.fixture(scope="module")
def stack() -> Stack:
    return Compose(ROOT, SETTINGS).read()


@needs_docker
def test_the_project_and_its_services_are_read(stack: Stack) -> None:
    assert stack.project == "one"
    assert {"gte-service", "prometheus", "grafana"} <= set(names(stack.active()))


@needs_docker
def test_checks_belong_to_their_profiles_only(stack: Stack) -> None:
    assert names(stack.active("smoke-test")) == ["smoke-test"]
    assert names(stack.active("loadtest")) == ["loadtest"]
    assert not {"smoke-test", "loadtest"} & set(names(stack.active()))


@needs_docker
def test_our_images_carry_the_tag_and_upstreams_the_registry(stack: Stack) -> None:
    service, prometheus = stack.services["gte-service"], stack.services["prometheus"]
    assert service.built
    assert service.image.endswith(":t")
    assert service.base_images[0].startswith("mirror.example/library/python:")
    assert not prometheus.built
    assert prometheus.image.startswith("mirror.example/prom/prometheus:v")
    assert prometheus.base_images == []
    python, exporter = stack.services["node-exporter"].base_images
    assert (python, exporter.partition(":v")[0]) == (service.base_images[0], "mirror.example/prom/node-exporter")


@needs_docker
def test_settings_reach_the_service(stack: Stack) -> None:
    service = stack.services["gte-service"]
    assert service.environment["GTE_MODEL"] == "a/b"
    assert service.address(5000) == "127.0.0.1:15000"
    assert service.address(1) == ""
    assert "wheels" in service.build_contexts


@needs_docker
def test_a_setting_that_compose_refuses_is_shown_in_its_words() -> None:
    with pytest.raises(cli.UsageError, match=r"services\.gte-service\.cpus"):
        Compose(ROOT, {"GTE_CPUS": "many"}).read()


@needs_docker
@pytest.mark.parametrize("port", ["many", "5000-5010", "70000"])
def test_a_port_that_is_none_is_named(port: str) -> None:
    with pytest.raises(cli.UsageError, match=f"'{port}' can't be the port on this host for port 5000 of gte-service"):
        Compose(ROOT, {"GTE_PORT": port}).read()


@needs_docker
def test_the_stack_can_listen_on_an_address_of_ipv6() -> None:
    services = Compose(ROOT, {"BIND_ADDRESS": "::1", "GTE_PORT": "15000"}).read().services
    assert services["gte-service"].address(5000) == "[::1]:15000"
    assert {port.host_ip for service in services.values() for port in service.ports} == {"::1"}


@needs_docker
def test_two_checkouts_with_names_of_their_own_build_images_of_their_own() -> None:
    one, other = (Compose(ROOT, {"COMPOSE_PROJECT_NAME": name, "IMAGE_TAG": ""}).read() for name in ("one", "other"))
    built = [{service.image for service in stack.services.values() if service.built} for stack in (one, other)]
    assert len(built[0]) == 7
    assert built[0] & built[1] == set()


@needs_docker
def test_a_program_that_hangs_is_given_up() -> None:
    with pytest.raises(cli.ToolError, match="has not ended after 0 s"):
        Compose(ROOT).capture("config", timeout=0.001)


@pytest.mark.parametrize("host_ip", ["", "0.0.0.0", "::", "127.0.0.1"])
def test_a_port_open_to_all_is_reached_on_loopback(host_ip: str) -> None:
    assert Port(host_ip, 5000, 5000).address == "127.0.0.1:5000"


def test_a_port_of_one_address_is_reached_there() -> None:
    assert Port("192.0.2.7", 5000, 80).address == "192.0.2.7:5000"


def test_a_service_without_anything_is_read() -> None:
    stack = parse_stack({"name": "p", "services": {"a": {"image": "a:1", "environment": None, "ports": None}}})
    assert stack.services["a"].ports == ()
    assert names(stack.active()) == ["a"]
