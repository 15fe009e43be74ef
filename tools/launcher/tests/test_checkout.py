"""Whose project a checkout is, and what containers can read of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import ROOT, cli
from tools.launcher.checkout import (
    MOUNTED,
    TO_UNIX,
    check_compose_file,
    check_line_ends,
    check_project,
    has_containers,
    make_readable,
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with one file in each place that is mounted, in a folder whose name has a blank and Chinese in it."""
    root = tmp_path / "GTE 检出"
    for name in (*MOUNTED, "alertmanager/inbox", "offline"):
        folder = root / (name if "." not in name else name.rpartition("/")[0])
        folder.mkdir(parents=True, exist_ok=True)
        (root / name if "." in name else folder / "file.sh").write_bytes(b"one\ntwo\n")
    (root / "alertmanager/notify").mkdir()
    (root / "alertmanager/notify/targets.txt").write_bytes(b"secret\r\n")
    return root


def test_everything_that_compose_mounts_of_the_checkout_is_looked_at() -> None:
    compose = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("compose.yaml", "gateway/compose.yaml"))
    mounted = set(re.findall(r'^ +(?:- |volumes: \[")\./([^:$]+):/', compose, re.MULTILINE))
    # A file of a folder that is mounted as a whole, too.
    assert mounted - {"gateway/target.yml"} == set(MOUNTED)


def test_configuration_is_mounted_by_folder() -> None:
    """An editor puts a new file in the place of the old one, and a mounted file stays the old one."""
    assert [name for name in MOUNTED if not (ROOT / name).is_dir()] == ["grafana/start.sh"]


def test_the_checkout_itself_is_fit() -> None:
    check_line_ends(ROOT)


@pytest.mark.parametrize("name", ["grafana/start.sh", "offline/file.sh", "node-exporter/file.sh"])
def test_line_ends_of_windows_are_one_sentence_with_the_command_that_changes_them(checkout: Path, name: str) -> None:
    check_line_ends(checkout)
    (checkout / name).write_bytes(b"one\r\ntwo\r\n")
    with pytest.raises(cli.UsageError, match=re.escape(f"{name} has the line ends of Windows")) as raised:
        check_line_ends(checkout)
    assert str(raised.value).endswith(f"\n{TO_UNIX}")
    subprocess.run(["bash", "-c", TO_UNIX], cwd=checkout, check=True)
    assert (checkout / name).read_bytes() == b"one\ntwo\n"
    check_line_ends(checkout)


def test_what_a_umask_of_077_hides_becomes_readable_and_secrets_stay_hidden(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_readable(checkout)
    assert capsys.readouterr().out == ""
    for path in [checkout, *checkout.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    make_readable(checkout)
    assert "Containers could not read" in capsys.readouterr().out
    modes = {str(path.relative_to(checkout)): path.stat().st_mode & 0o777 for path in checkout.rglob("*")}
    assert modes["prometheus"] == 0o705
    assert modes["grafana/start.sh"] == 0o604
    assert modes["alertmanager/notify"] == 0o705
    assert modes["alertmanager/notify/targets.txt"] == 0o600
    assert modes["alertmanager/inbox/file.sh"] == 0o600


@pytest.mark.parametrize("value", ["/srv/shop/compose.yaml", "docker-compose.yml", "/srv/a.yaml:/srv/b.yaml"])
def test_the_compose_file_of_another_project_is_refused(checkout: Path, value: str) -> None:
    with pytest.raises(cli.UsageError, match=rf"^COMPOSE_FILE is {re.escape(value)} .*: unset COMPOSE_FILE$"):
        check_compose_file(checkout, {"COMPOSE_FILE": value})


@pytest.mark.parametrize("value", ["", "compose.yaml", "compose.yaml:/srv/more.yaml"])
def test_a_compose_file_of_this_project_is_used(checkout: Path, value: str) -> None:
    (checkout / "compose.yaml").touch()
    check_compose_file(checkout, {"COMPOSE_FILE": value})


def test_a_project_whose_containers_another_folder_started_is_refused(
    checkout: Path, tmp_path: Path, fake_docker: Callable[[str], None]
) -> None:
    other = tmp_path / "other checkout"
    other.mkdir()
    fake_docker(f'printf "%s\\n" "{other}"')
    with pytest.raises(cli.UsageError, match=f"The project p has containers that were started in {other}") as raised:
        check_project(checkout, "p")
    assert "COMPOSE_PROJECT_NAME" in str(raised.value)
    assert not has_containers(checkout, "p")
    other.rmdir()
    check_project(checkout, "p")


def test_a_project_of_this_checkout_is_its_own(checkout: Path, fake_docker: Callable[[str], None]) -> None:
    fake_docker(f'printf "%s\\n" "{checkout}" "{checkout / "examples"}"')
    check_project(checkout, "p")
    assert has_containers(checkout, "p")
