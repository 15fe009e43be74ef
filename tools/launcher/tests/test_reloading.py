"""A reload that was not taken is no success; with a `docker` that tells what a container would."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tools import cli
from tools.launcher import reloading
from tools.launcher.compose import Compose

RUNNING = '{"Service": "prometheus", "State": "running"}\n{"Service": "alertmanager", "State": "running"}'
# In the container: cat gives the file, wget the metrics, and the checks say nothing.
DOCKER = """
case "$*" in
  *" ps "*) echo '%s' ;;
  *" cat /etc/"*) cat "$SEEN/${*##*/}" ;;
  *" wget "*) for name in prometheus alertmanager; do
      echo "${name}_config_last_reload_success_timestamp_seconds $(cat "$SEEN/at")"
    done ;;
  *" kill --signal HUP "*) [ ! -e "$SEEN/works" ] || echo 1.7e9 > "$SEEN/at" ;;
  *" logs "*) echo "the end of the log" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_docker: Callable[[str], None]) -> Path:
    """A checkout, and in `seen` what its containers see of it."""
    fake_docker(DOCKER % RUNNING)
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    monkeypatch.setattr(reloading, "WAIT_SECONDS", 0.3)
    (tmp_path / "seen").mkdir()
    (tmp_path / "seen/at").write_text("1.6e9", encoding="utf-8")
    for program in reloading.PROGRAMS:
        (tmp_path / program.file).parent.mkdir()
        for file in (tmp_path / program.file, tmp_path / "seen" / Path(program.file).name):
            file.write_text(f"# 配置 of {program.service}\n", encoding="utf-8")
    return tmp_path


def test_a_reload_that_is_taken_says_what_runs(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout / "seen/works").touch()
    assert reloading.reload(Compose(checkout)) == cli.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        [program.service, "runs", f"{program.file},"] for program in reloading.PROGRAMS
    ]


def test_a_reload_that_is_not_taken_fails_with_the_log(checkout: Path) -> None:
    with pytest.raises(reloading.ReloadError, match="prometheus still runs the configuration that it read") as raised:
        reloading.reload(Compose(checkout))
    assert "the end of the log" in str(raised.value)
    assert raised.value.status == cli.FAILED


def test_a_container_that_sees_another_file_is_not_told_to_reload(checkout: Path) -> None:
    (checkout / "alertmanager/alertmanager.yml").write_text("# edited\n", encoding="utf-8")
    with pytest.raises(reloading.ReloadError, match=r"alertmanager sees another alertmanager/alertmanager\.yml"):
        reloading.reload(Compose(checkout))
    assert (checkout / "seen/at").read_text(encoding="utf-8") == "1.6e9"
