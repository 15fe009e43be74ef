"""The list that ends `make up`, and its banners."""

from __future__ import annotations

import pytest

from tools.launcher.compose import Port, Service, Stack
from tools.launcher.console import table
from tools.launcher.readiness import ModelState
from tools.launcher.start import Container
from tools.launcher.summary import print_left_out, print_model, status_rows

STACK = Stack(
    "p",
    {
        "grafana": Service("grafana", "grafana:1", ports=(Port("127.0.0.1", 3000, 3000),)),
        "gte-service": Service(
            "gte-service", "gte:1", ports=(Port("0.0.0.0", 15000, 5000), Port("0.0.0.0", 19090, 9090))
        ),
        "prometheus": Service("prometheus", "prometheus:1"),
        "reverse-proxy": Service("reverse-proxy", "nginx:1", ports=(Port("127.0.0.1", 19091, 9091),)),
        "dashboard-viewer": Service(
            "dashboard-viewer",
            "viewer:1",
            built=True,
            ports=(Port("127.0.0.1", 3000, 3000),),
            profiles=frozenset({"dashboard-viewer"}),
        ),
        "smoke-test": Service("smoke-test", "smoke:1", profiles=frozenset({"smoke-test"})),
    },
)


def test_each_address_has_a_row_with_its_state_the_service_first() -> None:
    now = {"gte-service": Container("running", "healthy"), "prometheus": Container("exited", "")}
    assert [row[:3] for row in status_rows(STACK, now, ["grafana"])[1:]] == [
        ["gte-service", "http://127.0.0.1:15000", "healthy"],
        ["gte-service", "http://127.0.0.1:19090/metrics", "healthy"],
        ["prometheus", "http://127.0.0.1:19091", "exited"],
        ["grafana", "-", "LEFT OUT"],
        ["dashboard-viewer", "http://127.0.0.1:3000", "not running"],
        ["reverse-proxy", "-", "not running"],
    ]


def test_replicas_behind_a_gateway_have_one_row() -> None:
    gateway = Service("gateway", "nginx:1", ports=(Port("127.0.0.1", 5000, 5000),))
    stack = Stack("p", {"gateway": gateway, "gte-service": Service("gte-service", "gte:1", replicas=3)})
    now = {"gateway": Container("running", "healthy"), "gte-service": Container("running", "unhealthy")}
    assert status_rows(stack, now, [])[1:] == [
        ["gateway", "http://127.0.0.1:5000", "healthy", "the API and its page, of all replicas"],
        ["gte-service", "-", "unhealthy", "3 replicas behind the gateway"],
    ]


def test_the_viewer_has_a_row_only_where_it_runs_or_takes_grafanas_place() -> None:
    now = {"grafana": Container("running", "healthy")}
    assert "dashboard-viewer" not in [row[0] for row in status_rows(STACK, now, [])]
    now |= {"dashboard-viewer": Container("running", "healthy")}
    assert [row[0] for row in status_rows(STACK, now, [])][-3:-1] == ["grafana", "dashboard-viewer"]


def test_a_service_without_a_container_does_not_run() -> None:
    assert {row[2] for row in status_rows(STACK, {}, [])[1:]} == {"not running"}


def test_columns_stand_below_each_other() -> None:
    assert table([["a", "bb", ""], ["ccc", "d", "e"]]) == "a    bb\nccc  d   e"


def test_the_demo_model_has_a_banner(capsys: pytest.CaptureFixture[str]) -> None:
    print_model(ModelState("ready", "", "builtin:lexical", "abc", demo=True))
    assert "!!  DEMO MODEL: builtin:lexical, revision abc" in capsys.readouterr().out


def test_another_model_is_named_with_its_revision(capsys: pytest.CaptureFixture[str]) -> None:
    print_model(ModelState("ready", "", "a/b", "abc"))
    printed = capsys.readouterr().out
    assert "Model: a/b, revision abc" in printed
    assert "DEMO" not in printed


@pytest.mark.parametrize(
    ("state", "line"),
    [(ModelState(), "gives no answer"), (ModelState("loading", "loading it", demo=True), "loading it")],
)
def test_a_model_that_is_not_ready_is_not_called_ready(
    state: ModelState, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_model(state)
    assert line in capsys.readouterr().out


def test_what_is_left_out_is_named_with_its_image_and_what_takes_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    print_left_out(STACK, [STACK.services["grafana"]])
    printed = capsys.readouterr().out
    assert "!!  LEFT OUT: grafana" in printed
    assert "grafana:1" in printed
    assert "at http://127.0.0.1:3000 all the same: dashboard-viewer draws them" in printed
    assert printed.index("IMAGE_REGISTRY") < printed.index("GRAFANA_ARCHIVE")


def test_the_status_gives_a_line_to_each_of_them_and_to_the_demo_model(capsys: pytest.CaptureFixture[str]) -> None:
    left_out = [STACK.services["grafana"]]
    print_left_out(STACK, left_out, brief=True)
    print_left_out(STACK, [*left_out, STACK.services["dashboard-viewer"]], brief=True)
    print_model(ModelState("ready", "", "builtin:lexical", "abc", demo=True), brief=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(".")[0] for line in lines] == [
        "Left out: grafana", "Left out: grafana", "Left out: dashboard-viewer",
        "DEMO MODEL: builtin:lexical, revision abc",
    ]  # fmt: skip
    assert "http://127.0.0.1:3000 all the same" in lines[0]
    assert lines[1].endswith("Its image grafana:1 is not on this host: `make up` gets it, or says why it can't.")
    assert "could not be built" not in lines[2]


def test_nothing_takes_grafanas_place_where_the_viewer_is_left_out_too(capsys: pytest.CaptureFixture[str]) -> None:
    print_left_out(STACK, [STACK.services["grafana"], STACK.services["dashboard-viewer"]])
    printed = capsys.readouterr().out
    assert "all the same" not in printed
    assert "!!  LEFT OUT: dashboard-viewer\n!!  Its image viewer:1 could not be built." in printed
    assert "set NPM_REGISTRY in .env" in printed
