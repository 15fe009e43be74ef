"""The runbooks: two pages an alert, of the same form, with commands that end by themselves and names that exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.config.documents import queries
from tests.config.runbooks import HEADINGS, NAMES, PAGES, Command, page
from tests.config.test_env_example import EXPLAINED
from tools import ROOT

TWO_WAYS_TO_BE_WRONG = {
    ".md": ["- Silent although there is trouble: ", "- Fires without trouble: "],
    ".zh-CN.md": ["- 漏报：", "- 误报："],
}
EVERY_PAGE = [f"{alert}{ending}" for alert in NAMES for ending in HEADINGS]

COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
SERVICES = set(re.findall(r"^  ([a-z-]+):\n    <<:", COMPOSE, re.M))
VERBS = set(re.findall(r"^([a-z-]+): ##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
_INLINE = re.compile("`([^`\n]+)`")
# Of the kernel's log, not of .env.
NO_SETTINGS = {"CONSTRAINT_MEMCG", "CONSTRAINT_NONE"}

# How a command must be written to end by itself and print a page at most: where the left side is found, so is the
# right one.
BOUNDS = {
    r"\bcurl\b": r"curl -sS -m \d+ ",
    r"\bwget\b": r"wget -q -t 1 -T \d+ ",
    r"compose exec\b": "compose exec -T ",
    r"compose logs\b": r"--since \d+[mh] .*(--tail \d+|\| tail -n \d+|> \w+\.log$)|--tail \d+ .*\| tail -n \d+$",
    r"docker stats\b": "--no-stream",
    r"\bdu\b.* /( |$)": r"^timeout \d+ .*\| tail -n \d+",
    r"^(dmesg|ps)\b": r"\| (tail|head) -n \d+$",
}
RIGHT_COMMANDS = [
    'curl -sS -m 10 "http://$(docker compose port gte-service 5000)/readyz"',
    "docker compose logs --since 10m --tail 20 alert-inbox",
    "docker compose logs --tail 1000 gte-service 2>&1 | grep -v '^{' | tail -n 40",
    "docker compose logs --since 30m gte-service > stuck.log",
    "docker compose restart -t 10 gte-service",
    "echo GTE_WORKERS=2 >> .env",
    "docker compose exec -T gte-service du -sh /models",
    "docker compose kill --signal HUP prometheus alertmanager",
    "docker compose up -d prometheus",
]
WRONG_COMMANDS = {
    "waits for ever for an answer": 'curl -sS "http://$(docker compose port gte-service 5000)/readyz"',
    "hides why there is no answer": 'curl -s -m 10 "http://$(docker compose port gte-service 5000)/readyz"',
    "asks a port that .env may have changed": "curl -sS -m 10 http://127.0.0.1:5000/readyz",
    "writes a file that nobody reads": "echo GTE_WORKERS=2 >> .env.local",
    "tries 20 times": "docker compose exec -T prometheus wget -q -T 5 -O - http://gte-service:9090/metrics",
    "wants a terminal": "docker compose exec gte-service df -h",
    "prints every request": "docker compose logs --since 10m gte-service",
    "reads the whole log": "docker compose logs --tail 40 gte-service",
    "never ends": "docker compose logs --since 10m --tail 40 -f gte-service",
    "refreshes for ever": "docker stats",
    "walks through the whole disk": "du -xh -d 1 / | tail -n 10",
    "cuts JSON into pieces": """docker compose exec -T gte-service cat status.json | grep -o '"lastError":"[^"]*"'""",
    "takes another model": "docker compose up -d gte-service",
    "starts what was left out": "docker compose up -d",
    "names no service": "docker compose restart gte-server",
}


def command_faults(command: str) -> list[str]:
    """The faults of a command; empty if there are none."""
    found = [
        f"lacks {bound}" for what, bound in BOUNDS.items() if re.search(what, command) and not re.search(bound, command)
    ]
    found += [f"has {what}" for what in ("grep -o", " -f ", "--follow") if what in command.replace("inspect -f ", "")]
    found += [
        f"asks port {port}, which .env may change" for port in re.findall(r"^curl .*?127\.0\.0\.1:(\d+)", command)
    ]
    named = re.findall(
        r"compose (?:exec -T|port|up -d|start|restart(?: -t \d+)?|(?:un)?pause|kill --signal HUP)((?: [\w-]+)*)",
        command,
    )
    if "compose exec" in command:
        named = [name.split()[0] for name in named]
    found += [
        f"{name} is no service"
        for names in named
        for name in names.split()
        if not name.isdigit() and name not in SERVICES
    ]
    found += [f"writes {file}" for file in re.findall(r">> (\S+)", command) if file != ".env"]
    if re.search(r"compose up -d( gte-service)?$", command):
        found.append("a container that is made anew takes the model of .env: use make")
    return found


def test_there_is_something_to_check() -> None:
    assert {"gte-service", "prometheus", "alertmanager", "alert-inbox", "node-exporter", "grafana"} <= SERVICES
    assert len(SETTINGS) > 10
    assert {"up", "demo", "status"} <= VERBS


def test_every_alert_has_a_page_in_each_language_and_every_page_an_alert() -> None:
    assert sorted(path.name for path in PAGES.iterdir()) == sorted(EVERY_PAGE)


@pytest.mark.parametrize("file", EVERY_PAGE)
def test_page_has_the_form_of_all_others(file: str) -> None:
    alert, dot, ending = file.partition(".")
    runbook = page(alert, dot + ending)
    text = runbook.text
    assert re.findall("^#.*", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M) == [
        f"# {alert}",
        *HEADINGS[dot + ending],
    ]
    wrong = text.rpartition("\n## ")[2].splitlines()[1:]
    assert [
        line[: len(begin)] for line, begin in zip(wrong, TWO_WAYS_TO_BE_WRONG[dot + ending], strict=True)
    ] == TWO_WAYS_TO_BE_WRONG[dot + ending]
    assert bool(re.search("[\u4e00-\u9fff]", text)) == (dot + ending == ".zh-CN.md")
    assert runbook.looks, "a diagnosis without a command"


@pytest.mark.parametrize("alert", NAMES)
def test_both_languages_give_the_same_commands_and_names(alert: str) -> None:
    english, chinese = (page(alert, ending) for ending in HEADINGS)
    assert (chinese.looks, chinese.changes) == (english.looks, english.changes)
    # Not the list: a translated sentence may name a thing once more.
    assert set(_INLINE.findall(chinese.text)) == set(_INLINE.findall(english.text))


@pytest.mark.parametrize("file", EVERY_PAGE)
def test_page_names_only_settings_targets_and_pages_that_exist(file: str) -> None:
    text = (PAGES / file).read_text(encoding="utf-8")
    settings = set(re.findall(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b", text)) - NO_SETTINGS
    assert settings - set(EXPLAINED) == set()
    assert set(re.findall(r"(?:`|^ *)make ([a-z-]+)", text, re.M)) - VERBS == set()
    ending = file[file.index(".") :]
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert [link for link in links if link not in EVERY_PAGE or link[link.index(".") :] != ending] == []
    assert [(name, link) for name, link in re.findall(r"\[(\w+)\]\(([^)]+)\)", text) if link != name + ending] == []


@pytest.mark.parametrize("alert", NAMES)
def test_every_command_ends_by_itself_and_prints_a_page_at_most(alert: str) -> None:
    runbook = page(alert)
    inline = [span for span in _INLINE.findall(runbook.text) if re.match("docker|curl|make|git", span)]
    steps = [*(command.replaced for command in runbook.commands), *inline]
    assert {step: found for step in steps if (found := command_faults(step))} == {}


@pytest.mark.parametrize("alert", NAMES)
def test_every_step_that_is_a_command_stands_in_a_block(alert: str) -> None:
    """In a sentence stand those that explain: the same for the demo model, and a list to choose from."""
    mitigation = page(alert).text.partition("\n## Mitigation\n")[2].partition("\n## ")[0]
    inline = [span for span in _INLINE.findall(mitigation) if re.match("docker|curl|make|git", span)]
    assert set(inline) <= {"make up", "make demo", "make bench", "git log --oneline -n 10"}


SETTINGS = [block for alert in NAMES for block in page(alert).changes if any(".env" in line.text for line in block)]
# What somebody had there; the last line of a name holds.
BEFORE = "GTE_MODEL=builtin:lexical\nBIND_ADDRESS=0.0.0.0\nGTE_PRECISION=bf16\nGTE_MAX_REQUESTS=10\nGTE_CPUS=1\n"


def run(folder: Path, script: str) -> str:
    """What a script prints there, without a setting of this stack in its environment; it has to succeed."""
    environ = {name: value for name, value in os.environ.items() if name not in EXPLAINED}
    command = ("bash", "-ec", script)
    return subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("project")
    (made / "compose.yaml").write_text(COMPOSE, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def shown_before(folder: Path) -> str:
    (folder / ".env").write_text(BEFORE, encoding="utf-8")
    return run(folder, "docker compose config")


@pytest.mark.parametrize("block", dict.fromkeys(SETTINGS), ids=lambda block: block[0].replaced)
def test_a_setting_that_a_page_writes_changes_what_compose_starts(
    block: tuple[Command, ...], folder: Path, shown_before: str
) -> None:
    (folder / ".env").write_text(BEFORE, encoding="utf-8")
    *edits, start = block
    for edit in edits:
        run(folder, edit.script)
    assert start.text in {"make up", "docker compose up -d prometheus"}
    assert run(folder, "docker compose config") != shown_before


def test_the_former_version_is_checked_out(tmp_path: Path) -> None:
    (block,) = {block for alert in NAMES for block in page(alert).changes if block[0].text.startswith("git")}
    git = "git -c user.name=any -c user.email=any -c init.defaultBranch=main"
    script = f"{git} init -q; for n in 1 2; do echo $n > version; git add .; {git} commit -qm $n; done"
    assert [command.text for command in block[1:]] == ["make up"]
    run(tmp_path, f"{script}\ngit log --oneline -n 10 | grep 1\n{block[0].script}")
    assert (tmp_path / "version").read_text(encoding="utf-8") == "1\n"


@pytest.mark.parametrize("alert", NAMES)
def test_every_query_is_seen_by_the_check_of_metric_names(alert: str) -> None:
    text = page(alert).text
    assert len(queries(text)) == text.count("promtool query")


@pytest.mark.parametrize("command", RIGHT_COMMANDS)
def test_right_command_has_no_fault(command: str) -> None:
    assert command_faults(command) == []


@pytest.mark.parametrize("wrong", WRONG_COMMANDS)
def test_wrong_command_is_noticed(wrong: str) -> None:
    assert len(command_faults(WRONG_COMMANDS[wrong])) == 1
