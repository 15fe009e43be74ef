"""Files and programs are read as UTF-8 in any locale: Docker prints "…", and our files are Chinese too."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tools import ROOT

# The tests run in Python's UTF-8 mode.
PROGRAMS = sorted(
    path
    for pattern in ("tools/**/*.py", "grafana/boards/**/*.py", "tests/*.py")
    for path in ROOT.glob(pattern)
    if not {"tests", "rivals"} & set(path.relative_to(ROOT).parts[1:])
)


def undecided(source: str) -> Iterator[int]:
    """The lines with a call that takes the locale's encoding for want of one of its own."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        given = {word.arg: word.value for word in node.keywords}
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = [*node.args[1:2], given["mode"]] if "mode" in given else node.args[:2]
        binary = any(isinstance(mode, ast.Constant) and "b" in str(mode.value) for mode in modes)
        texts = (
            (name == "read_text" and not node.args)
            or (name == "write_text" and len(node.args) < 2)
            or (name == "open" and not binary and _opens_a_file(node))
            or (name in {"run", "Popen", "check_output"} and "text" in given)
        )  # fmt: skip
        if texts and "encoding" not in given and None not in given:
            yield node.lineno


def _opens_a_file(node: ast.Call) -> bool:
    """Whether it is `open(…)` or `path.open(…)`, and no `open` of something else."""
    return isinstance(node.func, ast.Name) or not node.args or isinstance(node.args[0], ast.Constant)


def test_every_text_that_is_read_or_written_names_its_encoding() -> None:
    assert len(PROGRAMS) > 50
    assert [f"{path}:{line}" for path in PROGRAMS for line in undecided(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "source",
    ["run(a, text=True)", "path.read_text()", "path.write_text(a)", "open(a)", "path.open('w')", "open(a, mode='w')"],
)
def test_a_call_without_one_is_found(source: str) -> None:
    assert list(undecided(source)) == [1]


@pytest.mark.parametrize(
    "source",
    ["run(a, text=True, encoding='utf-8')", "path.read_text('utf-8')", "open(a, 'rb')", "chat.open(a)"],
)
def test_a_call_that_needs_none_is_not(source: str) -> None:
    assert list(undecided(source)) == []
