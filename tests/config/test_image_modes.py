"""What a Dockerfile copies is readable in the image, whatever the umask of the checkout was."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.config.containers import ROOT

DOCKERFILES = sorted(file for file in ROOT.rglob("Dockerfile") if not {".venv", "node_modules"} & set(file.parts))


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.relative_to(ROOT).parent))
def test_an_image_gives_every_file_of_the_checkout_a_mode_that_its_user_can_read(file: Path) -> None:
    """Under a umask of 077 the files of a clone are readable to their owner only, and COPY keeps that."""
    text = file.read_text(encoding="utf-8")
    stages = set(re.findall(r"^FROM (?!scratch\b).* AS (\S+)", text, re.MULTILINE))
    copies = [re.findall(r"--(\w+)=(\S+)", line) for line in re.findall(r"^COPY .*", text, re.MULTILINE)]
    of_checkout = [dict(options) for options in copies if dict(options).get("from") not in stages]
    assert of_checkout
    assert [options for options in of_checkout if options.get("chmod") != "755"] == []
