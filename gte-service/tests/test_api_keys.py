"""Where there are API keys, only who knows one is served; no key is ever shown."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

from conftest import Service
from gte_service.errors import SettingsError
from gte_service.settings import read_settings

KEYS = ("first-key-0123456789", "second-key-0123456789")
OPEN = ["/", "/static/page.css", "/openapi.json", "/healthz", "/readyz"]
GOOD = {"task_type": "embedding", "input_text": "天"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("guarded")
    file = home / "keys"
    file.write_text(f"# for the search\n{KEYS[0]}\n\n  {KEYS[1]}  \n{KEYS[0]}\n")
    running = Service(home, {"GTE_WORKERS": "1", "GTE_API_KEYS_FILE": str(file), "GTE_CORS_ORIGINS": "*"})
    running.start()
    running.wait_until("ready")
    yield running
    log = running.log.read_text()
    assert not any(key in log for key in KEYS)
    assert running.stop() == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEYS[0]}"},
        {"Authorization": f"bearer  {KEYS[1]}"},
        {"X-API-Key": KEYS[1]},
        {"Authorization": "Basic c29tZXRoaW5nIGVsc2U=", "X-API-Key": KEYS[0]},
    ],
)
def test_a_client_with_a_key_is_served(guarded: Service, headers: dict[str, str]) -> None:
    assert guarded.ask("/predict", GOOD, headers=headers).status == 200
    assert guarded.ask("/v1/models", headers=headers).status == 200


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({}, "missing"),
        ({"Authorization": "Bearer "}, "missing"),
        ({"Authorization": "Bearer first-key-012345678"}, "not known"),
        ({"Authorization": "Bearer first-key-01234567890"}, "not known"),
        ({"Authorization": f"Basic {KEYS[0]}"}, "missing"),
        ({"Authorization": KEYS[0]}, "missing"),
        ({"X-API-Key": "# for the search"}, "not known"),
        ({"X-API-Key": "é" * 20}, "not known"),
        ({"X-API-Key": f"{KEYS[0]},{KEYS[1]}"}, "not known"),
    ],
)
def test_the_error_without_a_valid_key_names_the_headers_to_send(
    guarded: Service, headers: dict[str, str], words: str
) -> None:
    for path in ("/predict", "/v1/embeddings"):
        answer = guarded.ask(path, GOOD, headers=headers)
        assert (answer.status, answer.json["error"]["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert words in answer.json["error"]["message"]
        assert "Authorization: Bearer <key>" in answer.json["error"]["message"]
        assert not any(key in answer.text for key in KEYS)
    assert guarded.ask("/v1/models", headers=headers).status == 401
    assert guarded.ask("/v1/models/builtin:lexical", headers=headers).status == 401


@pytest.mark.parametrize("path", OPEN)
def test_addresses_without_answers_of_the_model_need_no_key(guarded: Service, path: str) -> None:
    assert guarded.ask(path).status == 200


def test_the_metrics_are_open(guarded: Service) -> None:
    assert guarded.ask("/metrics", port=guarded.metrics_port).status == 200


def test_refusals_are_counted_by_task(guarded: Service) -> None:
    before = guarded.metrics()
    guarded.ask("/predict", GOOD)
    guarded.ask("/v1/embeddings", GOOD)
    after = guarded.metrics()
    for task in ("unknown", "embedding"):
        for name in (f'errors_total{{reason="unauthorized",task_type="{task}"}}',
                     f'requests_total{{status="invalid",task_type="{task}"}}'):  # fmt: skip
            assert after[f"gte_task_{name}"] == before[f"gte_task_{name}"] + 1


def test_openais_client_sends_its_key_as_expected(guarded: Service) -> None:
    address = f"http://127.0.0.1:{guarded.port}/v1"
    with openai.OpenAI(base_url=address, api_key=KEYS[1], max_retries=0) as client:
        assert len(client.embeddings.create(model="builtin:lexical", input="天").data) == 1
    with (
        openai.OpenAI(base_url=address, api_key="wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.models.list()


def test_a_browser_may_ask_without_a_key_whether_it_may_send_one(guarded: Service) -> None:
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    answer = guarded.ask("/predict", headers=asked, method="OPTIONS")
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    refused = guarded.ask("/predict", GOOD, headers={"Origin": "https://app.example"})
    assert (refused.status, refused.headers["Access-Control-Allow-Origin"]) == (401, "*")


def read(path: Path | str) -> tuple[str, ...]:
    return read_settings({"GTE_API_KEYS_FILE": str(path)}).api_keys


def test_a_file_of_keys_is_read_in_order(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(f"# a comment\r\n{KEYS[1]}\r\n \r\n#{KEYS[0]}\r\n{KEYS[0]}".encode())
    assert read(file) == (KEYS[1], KEYS[0])
    # As Notepad writes it.
    file.write_text(f"{KEYS[0]}\r\n", encoding="utf-8-sig")
    assert read(file) == (KEYS[0],)
    file.write_text("c2VjcmV0c2VjcmV0c2VjcmV0cw==")
    assert read(file) == ("c2VjcmV0c2VjcmV0c2VjcmV0cw==",)
    assert read_settings({}).api_keys == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no key"),
        ("# only a comment\n\n", "has no key"),
        (f"{KEYS[0]}\nshort-secret-15\n", "line 2"),
        (f"{KEYS[0]} {KEYS[1]}\n", "line 1"),
        (f"{KEYS[1]}\nAPI_KEY={KEYS[0]}\n", "line 2 .* a name with ="),
        (f"export GTE_API_KEY={KEYS[0]}", "line 1 .* a name with ="),
        (f"api-key: {KEYS[0]}", "line 1"),
        (f"key = '{KEYS[0]}'", "line 1 .* a name with ="),
        (f'"{KEYS[0]}"', "line 1 .* quotes around it"),
        (f"'{KEYS[0]}'", "line 1 .* quotes around it"),
        (f"{KEYS[0]},", "line 1 .* quotes around it"),
        ("schlüssel-mit-umlaut\n", "line 1"),
        ("a-key-with-\x07-in-it-00\n", "line 1"),
    ],
)
def test_the_error_of_an_unusable_key_file_names_the_file_and_no_key(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        read(file)
    assert str(file) in str(caught.value)
    assert not any(part in str(caught.value) for part in (*KEYS, "short-secret", "schl", "a-key"))


def test_an_unreadable_key_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        read(tmp_path / "none")
    with pytest.raises(SettingsError, match="is a folder"):
        read(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\0")
    with pytest.raises(SettingsError, match="can't be read"):
        read(tmp_path / "binary")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody who may not read a file")
def test_the_error_of_another_users_key_file_gives_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(KEYS[0])
    file.chmod(0o600)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    code = "import os, sys; from gte_service.settings import read_settings; os.setuid(10001); read_settings()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=dict(os.environ) | {"GTE_API_KEYS_FILE": str(file)},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert "chmod a+r" in done.stderr
    assert "10001" in done.stderr


def test_settings_show_no_key(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(KEYS[0])
    assert KEYS[0] not in repr(read_settings({"GTE_API_KEYS_FILE": str(file)}))


def test_a_wrong_file_ends_the_process_with_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gte_service", "serve"],
        env=dict(os.environ) | {"GTE_API_KEYS_FILE": str(tmp_path), "GTE_RUN_DIR": str(tmp_path / "run")},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"gte-service: GTE_API_KEYS_FILE: {tmp_path} is a folder. Name a file with one key per line."
    ]


def test_every_route_is_either_open_or_guarded(new_service: Callable[..., Service], guarded: Service) -> None:
    """A route that somebody adds must be put among one of the two."""
    message = guarded.ask("/nowhere").json["error"]["message"]
    routes = [part.strip(" .") for part in message.partition("are:")[2].split(",")]
    assert len(routes) >= 7
    for route in routes:
        method, path = route.split()
        if path not in OPEN:
            answer = guarded.ask(path.replace("<name>", "x"), method=method)
            assert answer.status == 401, route
