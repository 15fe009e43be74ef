"""What a start has chosen is kept in .env, among the user's own lines and without a change to them."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from tools.cli import UsageError
from tools.launcher.kept import chosen, keep, kept, left_out_settings, without_block
from tools.launcher.settings import read_values
from tools.launcher.tests.conftest import needs_docker

ENVIRON = {"PATH": os.environ["PATH"]}
OWN = "\N{ZERO WIDTH NO-BREAK SPACE}GTE_PORT: 5050  # ours\r\nexport GTE_MODEL='a/b'\n".encode()
OWN += "# 注释\n".encode("gbk")


def write(folder: Path, content: bytes) -> Path:
    file = folder / ".env"
    file.write_bytes(content)
    return file


@needs_docker
@pytest.mark.parametrize("own", [b"", OWN, b"GTE_MODEL=a/b", b"# no line end"])
def test_compose_reads_what_is_kept_and_the_own_lines_stay(tmp_path: Path, own: bytes) -> None:
    file = write(tmp_path, own)
    keep(tmp_path, {"GTE_MODEL": "builtin:lexical", "GTE_MODEL_DIR": ""})
    values = read_values(tmp_path, ENVIRON)
    assert (values["GTE_MODEL"], values["GTE_MODEL_DIR"]) == ("builtin:lexical", "")
    assert values["GTE_PORT"] == ("5050" if own == OWN else "")
    assert file.read_bytes().startswith(own)
    with without_block(tmp_path, ENVIRON) as plain:
        assert plain is not None
        assert plain.read_bytes().rstrip() == own.rstrip()
        assert read_values(tmp_path, ENVIRON, env_file=plain)["GTE_MODEL"] == ("a/b" if b"a/b" in own else "")
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


@needs_docker
@pytest.mark.parametrize(
    "value",
    [
        "",
        "/data/my models/数据",
        "it's",
        "a'b\"c\\d$e",
        "two\nlines",
        "# no comment",
        "a # b",
        "${HOME}",
        "$$",
        "a=b",
        " ",
        "C:\\models\\",
        "\\",
        "\\' $x",
        "`\r\t\\n",
    ],
)
def test_any_value_is_read_back_as_it_was(tmp_path: Path, value: str) -> None:
    keep(tmp_path, {"GTE_MODEL": "x", "GTE_MODEL_DIR": value, "GTE_PORT": "1"})
    values = read_values(tmp_path, ENVIRON)
    assert (values["GTE_MODEL"], values["GTE_MODEL_DIR"], values["GTE_PORT"]) == ("x", value, "1")


def test_the_next_start_replaces_the_block_and_leaves_lines_behind_it(tmp_path: Path) -> None:
    file = write(tmp_path, b"A=1\n")
    keep(tmp_path, {"GTE_MODEL": "builtin:lexical", "GTE_PORT": "5050"})
    file.write_bytes(file.read_bytes() + b"B=2\n")
    keep(tmp_path, {"GTE_MODEL_DIR": "/models"})
    assert kept(tmp_path, {}) == {"GTE_MODEL_DIR": "/models"}
    assert file.read_bytes().startswith(b"A=1\nB=2\n# >>> ")
    keep(tmp_path, {})
    assert file.read_bytes() == b"A=1\nB=2\n"


@pytest.mark.parametrize("end", [b"# >>> Written by make", b"# <<<"])
def test_lines_round_half_a_block_are_never_taken_for_the_whole_of_one(tmp_path: Path, end: bytes) -> None:
    keep(tmp_path, {"GTE_MODEL": "builtin:lexical"})
    file = tmp_path / ".env"
    lines = file.read_bytes().splitlines(keepends=True)
    half = b"".join(line for line in lines if not line.startswith(end)) + b"GTE_PORT=5050\n"
    for content in (half, half + b"".join(lines)):
        file.write_bytes(content)
        with pytest.raises(UsageError, match="is one end of the lines that make wrote there"):
            keep(tmp_path, {"GTE_MODEL": "a/b"})
        with pytest.raises(UsageError, match="is one end of"), without_block(tmp_path, {}):
            pass
        assert file.read_bytes() == content


@pytest.mark.parametrize("kind", ["folder", "loop"])
def test_what_cant_be_read_is_named(tmp_path: Path, kind: str) -> None:
    file = tmp_path / ".env"
    file.mkdir() if kind == "folder" else file.symlink_to(file)
    with pytest.raises(UsageError, match=r"\.env can't be read \("), without_block(tmp_path, {}):
        pass
    with pytest.raises(UsageError, match=r"\.env can't be read \("):
        kept(tmp_path, {})


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    keep(tmp_path, {"GTE_MODEL": "builtin:lexical"})
    write(tmp_path, b"A=1\n" * 2048 + (tmp_path / ".env").read_bytes())
    size = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, size[1]))
    try:
        with pytest.raises(UsageError, match="No file can be written in"), without_block(tmp_path, {}):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, size)
        signal.signal(signal.SIGXFSZ, before)
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_a_file_that_held_nothing_else_goes(tmp_path: Path) -> None:
    keep(tmp_path, {"GTE_MODEL": "builtin:lexical"})
    keep(tmp_path, {})
    assert list(tmp_path.iterdir()) == []
    keep(tmp_path, {})
    assert list(tmp_path.iterdir()) == []


def test_a_block_whose_line_ends_an_editor_has_changed_is_one(tmp_path: Path) -> None:
    keep(tmp_path, {"GTE_MODEL": "builtin:lexical"})
    file = tmp_path / ".env"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert kept(tmp_path, {}) == {"GTE_MODEL": "builtin:lexical"}
    keep(tmp_path, {})
    assert not file.exists()


def test_a_link_stays_a_link_and_the_file_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "settings").write_bytes(b"A=1\n")
    (tmp_path / "settings").chmod(0o640)
    (tmp_path / ".env").symlink_to("settings")
    keep(tmp_path, {"GTE_MODEL": "builtin:lexical"})
    assert (tmp_path / ".env").is_symlink()
    assert (tmp_path / "settings").stat().st_mode & 0o777 == 0o640
    assert kept(tmp_path, {}) == {"GTE_MODEL": "builtin:lexical"}


def test_a_new_file_is_one_that_the_owner_of_the_checkout_can_read(tmp_path: Path) -> None:
    """With `sudo make up` it is written by root, and `docker compose` may be somebody else's."""
    before = os.umask(0o022)
    try:
        keep(tmp_path, {"GTE_MODEL": "builtin:lexical"})
    finally:
        os.umask(before)
    written, folder = (tmp_path / ".env").stat(), tmp_path.stat()
    assert written.st_mode & 0o777 == 0o644
    assert (written.st_uid, written.st_gid) == (folder.st_uid, folder.st_gid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_that_root_writes_belongs_to_the_owner_of_the_checkout(tmp_path: Path) -> None:
    os.chown(tmp_path, 10001, 10002)
    keep(tmp_path, {"GTE_MODEL": "builtin:lexical"})
    keep(tmp_path, {"GTE_MODEL": "a/b"})
    written = (tmp_path / ".env").stat()
    assert (written.st_uid, written.st_gid) == (10001, 10002)


def test_nothing_is_read_where_compose_reads_other_files(tmp_path: Path) -> None:
    keep(tmp_path, {"GTE_MODEL": "builtin:lexical"})
    others = {"COMPOSE_ENV_FILES": "prod.env"}
    assert kept(tmp_path, others) == {}
    with without_block(tmp_path, others) as plain:
        assert plain is None


def test_what_differs_from_the_own_lines_is_kept_and_no_secret() -> None:
    own = {"GTE_PORT": "5050", "GTE_MODEL_DIR": "/models", "GTE_MODEL": ""}
    given = {"GTE_PORT": "5050", "GTE_MODEL_DIR": "", "GTE_MODEL": "builtin:lexical", "GRAFANA_REPLICAS": "0"}
    others = {"HEARTBEAT_URL": "https://secret", "ALERT_INBOX_TOKEN": "secret", "HOME": "/root", "GTE_CPUS": ""}
    assert chosen(given | others, own) == {"GRAFANA_REPLICAS": "0", "GTE_MODEL": "builtin:lexical", "GTE_MODEL_DIR": ""}


@pytest.mark.parametrize(
    ("left_out", "names"),
    [
        ([], []),
        (["dashboard-viewer"], []),
        (["grafana"], ["GRAFANA_PULL_POLICY", "GRAFANA_REPLICAS"]),
        (["grafana", "dashboard-viewer"], ["DASHBOARDS_URL", "GRAFANA_PULL_POLICY", "GRAFANA_REPLICAS"]),
    ],
)
def test_what_is_left_out_is_kept_and_pages_link_to_no_dashboards_without_any(
    left_out: list[str], names: list[str]
) -> None:
    settings = left_out_settings(left_out)
    assert sorted(settings) == names
    assert chosen(settings, {}) == settings
