"""What is said of proxies where a build has failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tools.launcher.proxies import advice


def test_dockers_own_proxy_is_named(tmp_path: Path) -> None:
    proxies = {"default": {"httpProxy": "http://proxy:3128", "noProxy": "10.0.0.0/8"}}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": proxies}), encoding="utf-8")
    said = advice({"DOCKER_CONFIG": str(tmp_path), "http_proxy": "http://other:1"})
    assert said == f"\nThe build used the proxy that {tmp_path / 'config.json'} names: http://proxy:3128."


@pytest.mark.parametrize("config", ["{}", '{"proxies": {}}', "[]", "not json", None])
def test_a_proxy_of_the_shell_alone_is_no_proxy_of_a_build(tmp_path: Path, config: str | None) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config, encoding="utf-8")
    said = advice({"DOCKER_CONFIG": str(tmp_path), "https_proxy": "http://127.0.0.1:7890"})
    assert said.startswith("\nYour shell has https_proxy=http://127.0.0.1:7890, which a build doesn't see.")
    assert advice({"DOCKER_CONFIG": str(tmp_path), "https_proxy": ""}) == ""
