"""The stand-in for Grafana's image, made of the archive that GRAFANA_ARCHIVE names.

The real archive can't be had everywhere, so these tests make one with the same layout. Its bin/grafana is a shell
script: it says with which arguments it was started, and answers /api/health.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.config.containers import ROOT, docker, needs_engine, unique, wait_for
from tools.launcher.container_engine import this_host

pytestmark = [
    needs_engine,
    pytest.mark.skipif(not this_host().takes_packages, reason="stand-ins are made as root on Debian"),
]

VERSION = "12.4.0"
SERVER = f"""#!/bin/sh
[ "$1" != --version ] || {{ echo "grafana version {VERSION}"; exit; }}
[ "$1" = server ] || exit 1
for argument; do echo "argument: $argument"; done
echo "password: ${{GF_SECURITY_ADMIN_PASSWORD:-}} ${{GF_SECURITY_ADMIN_PASSWORD__FILE:-}}"
echo made >"$GF_PATHS_DATA/grafana.db"
exec /usr/bin/busybox httpd -f -p 3000 -h "$GF_PATHS_HOME/public"
"""
FILES = {
    "VERSION": VERSION,
    "bin/grafana": SERVER,
    "conf/defaults.ini": "[paths]\n",
    "conf/sample.ini": "; sample\n",
    "public/api/health": '{"database": "ok"}',
}
# The beginning of a program for a 64-bit s390x or PowerPC, which this machine is not.
FOREIGN = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + b"\x16\x00" + bytes(40)


def write_archive(path: Path, files: Mapping[str, str | bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            raw = content if isinstance(content, bytes) else content.encode()
            entry = tarfile.TarInfo(f"grafana-{VERSION}/{name}")
            entry.size, entry.mode = len(raw), 0o755 if name.startswith("bin/") else 0o640
            archive.addfile(entry, io.BytesIO(raw))
    return path


def make(image: str, archive: Path | str, checksum: str = "") -> subprocess.CompletedProcess[str]:
    """Have offline/ make the stand-in."""
    settings = {"GRAFANA_ARCHIVE": str(archive), "GRAFANA_ARCHIVE_SHA256": checksum}
    return subprocess.run(
        [str(ROOT / "offline/standins.sh"), image],
        env=os.environ | settings, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def refusal(archive: Path | str, checksum: str = "", image: str = "") -> str:
    """The line that says why no stand-in is made of an archive."""
    image = image or f"{unique('grafana')}.invalid/grafana/grafana:{VERSION}"
    made = make(image, archive, checksum)
    assert made.returncode == 1, made.stdout + made.stderr
    line = made.stderr.strip().splitlines()[-1]
    assert line.startswith("standins.sh: ")
    return line


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archive") / f"grafana-{VERSION}.tar.gz", FILES)


@pytest.fixture(scope="module")
def image(archive: Path) -> Iterator[str]:
    name = f"{unique('grafana')}.invalid/grafana/grafana:{VERSION}"
    made = make(name, archive, hashlib.sha256(archive.read_bytes()).hexdigest().upper())
    assert made.returncode == 0, made.stdout + made.stderr
    assert "WARNING" not in made.stderr
    yield name
    docker("image", "rm", "--force", name)


def config_of(image: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(docker("image", "inspect", image))[0]["Config"]
    return config


def test_the_image_has_the_user_the_paths_and_the_entrypoint_of_upstreams(image: str) -> None:
    config = config_of(image)
    assert (config["User"], config["WorkingDir"], config["Entrypoint"]) == ("472", "/usr/share/grafana", ["/run.sh"])
    assert set(config["ExposedPorts"]) == {"3000/tcp"}
    variables = dict(setting.split("=", 1) for setting in config["Env"])
    assert variables.pop("PATH").startswith("/usr/share/grafana/bin:")
    assert variables == {
        "GF_PATHS_CONFIG": "/etc/grafana/grafana.ini",
        "GF_PATHS_DATA": "/var/lib/grafana",
        "GF_PATHS_HOME": "/usr/share/grafana",
        "GF_PATHS_LOGS": "/var/log/grafana",
        "GF_PATHS_PLUGINS": "/var/lib/grafana/plugins",
        "GF_PATHS_PROVISIONING": "/etc/grafana/provisioning",
    }
    listed = docker(
        "run", "--rm", "--entrypoint=/bin/sh", image, "-c",
        "id -u; id -g; stat -c '%U %g %n' /var/lib/grafana /var/log/grafana; cat /etc/grafana/grafana.ini",
    )  # fmt: skip
    assert listed.splitlines() == ["472", "0", "grafana 0 /var/lib/grafana", "grafana 0 /var/log/grafana", "; sample"]


def test_it_runs_as_compose_runs_grafana_and_passes_its_health_check(image: str) -> None:
    name = unique("grafana")
    docker(
        "run", "--detach", "--init", "--name", name, "--network=none", "--read-only", "--cap-drop=ALL",
        "--security-opt=no-new-privileges:true", "--volume", f"{name}:/var/lib/grafana", "--tmpfs=/tmp",
        "--tmpfs=/var/log/grafana:uid=472,gid=0", f"--volume={ROOT}/grafana/start.sh:/etc/grafana/start.sh:ro",
        "--entrypoint=/bin/sh", image, "/etc/grafana/start.sh", "--one",
    )  # fmt: skip
    try:
        # The health check of compose.yaml.
        probe = ("exec", name, "wget", "-q", "-O", "-", "http://127.0.0.1:3000/api/health")
        assert json.loads(wait_for("an answer", lambda: docker(*probe))) == {"database": "ok"}
        log = docker("logs", name)
        password = docker("exec", name, "cat", "/var/lib/grafana/admin-password").strip()
    finally:
        docker("rm", "--force", "--volumes", name)
        docker("volume", "rm", name)
    arguments = [line.removeprefix("argument: ") for line in log.splitlines() if line.startswith("argument: ")]
    assert arguments == [
        "server", "--homepath=/usr/share/grafana", "--config=/etc/grafana/grafana.ini", "--packaging=docker", "--one",
        "cfg:default.log.mode=console", "cfg:default.paths.data=/var/lib/grafana",
        "cfg:default.paths.logs=/var/log/grafana", "cfg:default.paths.plugins=/var/lib/grafana/plugins",
        "cfg:default.paths.provisioning=/etc/grafana/provisioning",
    ]  # fmt: skip
    assert len(password) == 24
    assert f"password: {password} \n" in log


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (["GF_A=1", "GF_A__FILE=/etc/hostname"], "both GF_A and GF_A__FILE are set"),
        (["GF_A__FILE=/nowhere"], "GF_A__FILE is /nowhere, which can't be read"),
        (["GF_PATHS_DATA=/etc"], "/etc can't be written as uid 472"),
    ],
)
def test_a_setting_that_cant_be_used_ends_the_start(image: str, settings: list[str], reason: str) -> None:
    ran = subprocess.run(
        ["docker", "run", "--rm", *(f"--env={setting}" for setting in settings), image],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert ran.stderr.startswith(f"run.sh: {reason}")


def test_it_stays_with_the_same_archive_or_without_one(image: str, archive: Path) -> None:
    first = docker("image", "inspect", "--format", "{{.Id}}", image)
    assert make(image, archive).stderr == ""
    assert make(image, "").returncode == 0, "without the archive the stand-in stays"
    assert docker("image", "inspect", "--format", "{{.Id}}", image) == first


def test_another_archive_makes_it_anew_and_one_that_does_not_run_takes_no_place(image: str, tmp_path: Path) -> None:
    first = docker("image", "inspect", "--format", "{{.Id}}", image)
    broken = write_archive(tmp_path / "broken.tar.gz", {**FILES, "bin/grafana": "#!/nowhere\n"})
    made = make(image, broken)
    assert made.returncode == 1
    assert f"{image}: building a stand-in from {broken}\n" in made.stderr
    assert "the stand-in does not run" in made.stderr
    assert docker("image", "inspect", "--format", "{{.Id}}", image) == first


def test_an_archive_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.tar.gz", tmp_path):
        assert f"GRAFANA_ARCHIVE is '{path}', which is no file that can be read" in refusal(path)


def test_a_damaged_archive_is_told(archive: Path, tmp_path: Path) -> None:
    for content in (archive.read_bytes()[:-200], b"<html>not found</html>", b""):
        damaged = tmp_path / "damaged.tar.gz"
        damaged.write_bytes(content)
        assert "it is damaged, or no .tar.gz. Fetch it again" in refusal(damaged)


@pytest.mark.parametrize("missing", ["bin/grafana", "conf/defaults.ini", "public/api/health"])
def test_another_archive_is_told(tmp_path: Path, missing: str) -> None:
    files = {name: content for name, content in FILES.items() if name != missing}
    assert "is not Grafana's archive" in refusal(write_archive(tmp_path / "other.tar.gz", files))


def test_another_version_is_told_with_the_one_that_is_wanted(archive: Path, tmp_path: Path) -> None:
    newer = write_archive(tmp_path / "newer.tar.gz", {**FILES, "VERSION": "v13.0.0\n"})
    line = refusal(newer)
    assert "holds Grafana v13.0.0, and compose.yaml names 12.4.0" in line
    assert "Take grafana-12.4.0.linux-" in line
    unknown = write_archive(tmp_path / "unknown.tar.gz", {k: v for k, v in FILES.items() if k != "VERSION"})
    assert "holds Grafana of an unknown version" in refusal(unknown)


def test_another_architecture_is_told(tmp_path: Path) -> None:
    made_for = {"x86_64": ("arm64", b"\xb7\x00"), "aarch64": ("amd64", b"\x3e\x00")}
    name, machine = made_for.get(platform.machine(), ("another architecture", b"\x16\x00"))
    foreign = FOREIGN.replace(b"\x16\x00", machine)
    archive = write_archive(tmp_path / "foreign.tar.gz", {**FILES, "bin/grafana": foreign})
    assert f"is made for {name}, and this host is " in refusal(archive)


def test_a_checksum_that_is_another_is_told(archive: Path) -> None:
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert f"is {found}, and GRAFANA_ARCHIVE_SHA256 says {'0' * 64}: it is damaged" in refusal(archive, "0" * 64)
    assert "write the 64 digits" in refusal(archive, "0" * 63)
