"""`make audit`: what is known is reported, no answer is never good news, and a bill has all packages."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.config.containers import base_image_of, docker, needs_engine
from tools import cli
from tools.audit import databases
from tools.audit.__main__ import report
from tools.audit.databases import Answer, Finding, ask_about_python, read_answer
from tools.audit.images import npm_packages, write_bills
from tools.environment import AUDIT, ensure
from tools.launcher.compose import Service

GOOD = Answer("a.txt", ())
BAD = Answer("b.txt", (Finding("flask 0.1", "PYSEC-1, fixed in 0.2"),))
SILENT = Answer("c.txt", (), "no route to host")


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter that has pip-audit and CycloneDX' library."""
    return ensure(AUDIT)


@pytest.fixture
def osv() -> Iterator[str]:
    """A database that speaks OSV's protocol, and knows one vulnerability, of pluggy."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = {"id": "PYSEC-0", "summary": "Bad.", "affected": [], "published": "2026-01-01T00:00:00Z"}
            body = json.dumps({"vulns": [known]} if asked["package"]["name"] == "pluggy" else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_known_vulnerability_fails_also_where_others_gave_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert report([GOOD, BAD, SILENT], ["an-image"]) == cli.FAILED
    printed = capsys.readouterr().out
    assert "b.txt: 1 known\n  flask 0.1: PYSEC-1, fixed in 0.2\nc.txt: 0 known; no route to host\n" in printed


def test_no_answer_and_no_bill_are_no_good_news() -> None:
    assert report([GOOD], []) == cli.OK
    with pytest.raises(cli.ToolError, match="were not asked, or don't know all, about 1 of 2 lists"):
        report([GOOD, SILENT], [])
    with pytest.raises(cli.ToolError, match="no bill of an-image: not on this host; `make prepare` builds them"):
        report([GOOD], ["an-image"])


def test_packages_that_the_database_doesnt_know_are_counted_where_pip_audit_ends_well() -> None:
    skipped = {"name": "pluggy", "skip_reason": "Dependency not found on PyPI and could not be audited: pluggy (1.7.0)"}
    answer = read_answer("a.txt", [skipped, {"name": "pytest", "version": "9.2.0", "vulns": []}])
    assert answer == Answer("a.txt", [], "of 1 of 2 packages nothing is known")


def test_pip_audit_asks_about_each_package_of_a_lock_and_about_pytorch(
    python: Path, osv: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "LOCKS", ("tests/smoke/requirements",))
    smoke, torch = ask_about_python(python, tmp_path, osv)
    assert smoke.asked == "tests/smoke/requirements.txt"
    ((package, vulnerability),) = [(found.package.split()[0], found.vulnerability) for found in smoke.findings]
    assert (package, vulnerability, smoke.unanswered) == ("pluggy", "PYSEC-0, not fixed yet", "")
    assert (torch.asked, torch.findings, torch.unanswered) == ("PyTorch", [], "")
    assert (tmp_path / "tests-smoke-requirements.json").exists()


def test_a_database_that_cant_be_reached_is_said_to_be(
    python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "LOCKS", ())
    (torch,) = ask_about_python(python, tmp_path, "http://127.0.0.1:9")
    assert torch.findings == ()
    assert torch.unanswered


@needs_engine
def test_a_bill_names_every_package_of_its_image_and_the_image_itself(python: Path, tmp_path: Path) -> None:
    image = base_image_of("alert-inbox")
    services = [Service("base", image), Service("dashboard-viewer", image), Service("gone", "no/such:image")]
    assert write_bills(python, services, tmp_path) == ["no/such:image"]
    bill = json.loads((tmp_path / "base.cdx.json").read_text())
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    identity = docker("image", "inspect", "--format", "{{.Id}}", image).strip()
    assert bill["metadata"]["component"]["bom-ref"] == identity
    addresses = {component["purl"] for component in bill["components"]}
    count = docker("run", "--rm", "--network=none", image, "sh", "-c", "dpkg-query -W | wc -l")
    assert len([one for one in addresses if one.startswith("pkg:deb/debian/")]) == int(count)
    assert any(one.startswith("pkg:pypi/pip@") for one in addresses)
    page = (tmp_path / "dashboard-viewer.cdx.json").read_text()
    assert len(npm_packages()) > 100
    assert '"pkg:npm/%40grafana/data@' in page
