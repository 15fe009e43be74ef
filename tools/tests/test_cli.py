from __future__ import annotations

import argparse
import http.server
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools import ROOT, cli


def fail(error: BaseException) -> int:
    raise error


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (cli.UsageError("no such option."), cli.WRONG_USAGE, "tool: no such option.\n"),
        (cli.ToolError("nothing there."), cli.NO_RESULT, "tool: nothing there.\n"),
        (KeyboardInterrupt(), cli.INTERRUPTED, "tool: interrupted\n"),
    ],
)
def test_an_error_is_one_line_and_a_status(
    error: BaseException, status: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run("tool", lambda: fail(error)) == status
    assert capsys.readouterr() == ("", line)


def test_sigterm_is_an_interruption_and_the_handler_of_before_comes_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    def main() -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    assert cli.run("tool", main) == cli.INTERRUPTED
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    program = "from tools import cli; cli.run('tool', lambda: print('x' * 1_000_000) or 0)"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_types_of_options_take_what_they_name_and_nothing_else() -> None:
    assert cli.whole_number(1, 8)("8") == 8
    assert cli.list_of(cli.one_of(("a", "b")))("b, a") == ("b", "a")
    for read, text in (
        (cli.whole_number(1, 8), "9"),
        (cli.whole_number(1, 8), "-1"),
        (cli.whole_number(1, 8), "٣"),
        (cli.one_of(("a", "b")), "c"),
        (cli.list_of(cli.whole_number(1, 8)), "1,1"),
    ):
        with pytest.raises(argparse.ArgumentTypeError):
            read(text)


def test_json_goes_to_a_file_or_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.write_json("--json", tmp_path / "x.json", {"名": 1})
    cli.write_json("--json", "-", {"名": 1})
    assert (tmp_path / "x.json").read_text(encoding="utf-8") == capsys.readouterr().out == '{\n "名": 1\n}\n'
    with pytest.raises(cli.UsageError, match=r"--json .* can't be written"):
        cli.write_json("--json", tmp_path / "none" / "x.json", {})


@pytest.fixture
def echo() -> Iterator[str]:
    """A server that answers with what it was sent; at /page with something that is not JSON."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            shown: Any = {"method": self.command, "body": body, "key": self.headers.get("X-Key")}
            data = b"<html>" if self.path == "/page" else json.dumps(shown).encode()
            self.send_response(418)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_asking_gets_or_posts_json_past_any_proxy(echo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert cli.ask(echo) == (418, {"method": "GET", "body": "", "key": None})
    posted = cli.ask(f"{echo}/x", {"名": 1}, headers={"X-Key": "k"})
    assert posted == (418, {"method": "POST", "body": '{"名": 1}', "key": "k"})


def test_no_answer_and_no_json_are_said(echo: str) -> None:
    with pytest.raises(cli.NoAnswerError, match="not JSON: b'<html>'"):
        cli.ask(f"{echo}/page")
    with pytest.raises(cli.NoAnswerError, match=r"doesn't answer .*make status"):
        cli.ask("http://127.0.0.1:9", timeout_seconds=2)


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.75, 3), (0.76, 4), (1, 4), (0.01, 1)])
def test_a_percentile_is_a_measured_value_by_nearest_rank(share: float, value: float) -> None:
    assert cli.percentile([4, 1, 3, 2], share) == value


def test_a_percentile_isnt_moved_by_rounding() -> None:
    assert cli.percentile(list(range(1, 101)), 0.07) == 7


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1], 0), ([1], 1.1)])
def test_there_is_no_percentile_of_nothing(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        cli.percentile(values, share)


def test_cosine() -> None:
    assert cli.cosine([3, 4], [6, 8]) == pytest.approx(1)
    assert cli.cosine([1, 0], [0, 5]) == 0 == cli.cosine([0, 0], [1, 1])
    with pytest.raises(ValueError, match="argument 2 is"):
        cli.cosine([1], [1, 2])


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "gb18030"])
def test_what_a_terminal_has_no_sign_for_ends_no_program(encoding: str) -> None:
    script = "from tools import cli; cli.run('p', lambda: print('…检出') or cli.OK); print('after')"
    environ = {**os.environ, "PYTHONIOENCODING": f"{encoding}:strict"}
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environ, capture_output=True, check=True)
    assert ran.stdout.decode(encoding).split() == ["…检出" if encoding == "gb18030" else "???", "after"]
