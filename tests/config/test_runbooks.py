"""The runbooks: two pages an alert, of the same form, with commands that end by themselves and names that exist."""

from __future__ import annotations

import re

import pytest

from tests.config.documents import queries
from tests.config.promtool import ALERTS
from tests.config.test_env_example import DEFAULTS, EXPLAINED
from tools import ROOT

PAGES = ROOT / "docs" / "runbooks"
NAMES = sorted(set(ALERTS))
HEADINGS = {
    ".md": ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation", "## When it is wrong"],
    ".zh-CN.md": ["## 含义", "## 影响", "## 诊断", "## 处理", "## 误报与漏报"],
}
TWO_WAYS_TO_BE_WRONG = {
    ".md": ["- Silent although there is trouble: ", "- Fires without trouble: "],
    ".zh-CN.md": ["- 漏报：", "- 误报："],
}
EVERY_PAGE = [f"{alert}{ending}" for alert in NAMES for ending in HEADINGS]

COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
SERVICES = set(re.findall(r"^  ([a-z-]+):\n    <<:", COMPOSE, re.M))
PORTS = {value for name, value in DEFAULTS.items() if name.endswith("_PORT")}
VERBS = set(re.findall(r"^([a-z-]+): ##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
# Of the kernel's log, not of .env.
NO_SETTINGS = {"CONSTRAINT_MEMCG", "CONSTRAINT_NONE"}

# How a command must be written to end by itself and print a page at most: where the left side is found, so is the
# right one.
BOUNDS = {
    r"\bcurl\b": r"curl -sS -m \d+ ",
    r"\bwget\b": r"wget -q -t 1 -T \d+ ",
    r"compose exec\b": "compose exec -T ",
    r"compose logs\b": r"--since \d+[mh] .*(--tail \d+|\| tail -n \d+)",
    r"docker stats\b": "--no-stream",
    r"\bdu\b.* /( |$)": r"^timeout \d+ .*\| tail -n \d+",
    r"^(dmesg|ps)\b": r"\| (tail|head) -n \d+$",
}
RIGHT_COMMANDS = [
    "curl -sS -m 10 http://127.0.0.1:5000/readyz",
    "docker compose logs --since 10m --tail 20 alert-inbox",
    "docker compose exec -T gte-service du -sh /models",
    "docker compose kill --signal HUP prometheus alertmanager",
    "docker compose up -d prometheus",
]
WRONG_COMMANDS = {
    "waits for ever for an answer": "curl -sS http://127.0.0.1:5000/readyz",
    "hides why there is no answer": "curl -s -m 10 http://127.0.0.1:5000/readyz",
    "asks a port that nothing has": "curl -sS -m 10 http://127.0.0.1:5002/readyz",
    "tries 20 times": "docker compose exec -T prometheus wget -q -T 5 -O - http://gte-service:9090/metrics",
    "wants a terminal": "docker compose exec gte-service df -h",
    "prints every request": "docker compose logs --since 10m gte-service",
    "reads the whole log": "docker compose logs --tail 40 gte-service",
    "never ends": "docker compose logs --since 10m --tail 40 -f gte-service",
    "refreshes for ever": "docker stats",
    "walks through the whole disk": "du -xh -d 1 / | tail -n 10",
    "cuts JSON into pieces": """curl -sS -m 10 http://127.0.0.1:9091/targets | grep -o '"lastError":"[^"]*"'""",
    "takes another model": "docker compose up -d gte-service",
    "starts what was left out": "docker compose up -d",
    "names no service": "docker compose restart gte-server",
}


def commands(page: str) -> list[str]:
    """Each line of the page's blocks of shell commands."""
    return [line for block in re.findall(r"^```sh\n(.*?)^```", page, re.M | re.S) for line in block.splitlines()]


def command_faults(command: str) -> list[str]:
    """The faults of a command; empty if there are none."""
    found = [
        f"lacks {bound}" for what, bound in BOUNDS.items() if re.search(what, command) and not re.search(bound, command)
    ]
    found += [f"has {what}" for what in ("grep -o", " -f ", "--follow") if what in command.replace("inspect -f ", "")]
    found += [f"asks port {port}" for port in re.findall(r"^curl .*?127\.0\.0\.1:(\d+)", command) if port not in PORTS]
    named = re.findall(
        r"compose (?:exec -T|port|up -d|start|restart|(?:un)?pause|kill --signal HUP)((?: [\w-]+)*)", command
    )
    if "compose exec" in command:
        named = [name.split()[0] for name in named]
    found += [
        f"{name} is no service"
        for names in named
        for name in names.split()
        if not name.isdigit() and name not in SERVICES
    ]
    if re.search(r"compose up -d( gte-service)?$", command):
        found.append("a container that is made anew takes the model of .env: use make")
    return found


def test_there_is_something_to_check() -> None:
    assert {"gte-service", "prometheus", "alertmanager", "alert-inbox", "node-exporter", "grafana"} <= SERVICES
    assert {"5000", "5001", "9090", "9091", "9093"} <= PORTS
    assert {"up", "demo", "status"} <= VERBS


def test_every_alert_has_a_page_in_each_language_and_every_page_an_alert() -> None:
    assert sorted(path.name for path in PAGES.iterdir()) == sorted(EVERY_PAGE)


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_page_has_the_form_of_all_others(page: str) -> None:
    text = (PAGES / page).read_text(encoding="utf-8")
    alert, dot, ending = page.partition(".")
    assert re.findall("^#.*", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M) == [
        f"# {alert}",
        *HEADINGS[dot + ending],
    ]
    wrong = text.rpartition("\n## ")[2].splitlines()[1:]
    assert [
        line[: len(begin)] for line, begin in zip(wrong, TWO_WAYS_TO_BE_WRONG[dot + ending], strict=True)
    ] == TWO_WAYS_TO_BE_WRONG[dot + ending]
    assert bool(re.search("[\u4e00-\u9fff]", text)) == (dot + ending == ".zh-CN.md")
    assert commands(text), "a diagnosis without a command"


@pytest.mark.parametrize("alert", NAMES)
def test_both_languages_give_the_same_commands_and_names(alert: str) -> None:
    english, chinese = ((PAGES / f"{alert}{ending}").read_text(encoding="utf-8") for ending in HEADINGS)
    assert commands(chinese) == commands(english)
    # Not the list: a translated sentence may name a thing once more.
    assert set(re.findall("`([^`\n]+)`", chinese)) == set(re.findall("`([^`\n]+)`", english))


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_page_names_only_settings_targets_and_pages_that_exist(page: str) -> None:
    text = (PAGES / page).read_text(encoding="utf-8")
    settings = set(re.findall(r"\b[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)+\b", text)) - NO_SETTINGS
    assert settings - set(EXPLAINED) == set()
    assert set(re.findall(r"`make ([a-z-]+)", text)) - VERBS == set()
    ending = page[page.index(".") :]
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert [link for link in links if link not in EVERY_PAGE or link[link.index(".") :] != ending] == []
    assert [(name, link) for name, link in re.findall(r"\[(\w+)\]\(([^)]+)\)", text) if link != name + ending] == []


@pytest.mark.parametrize("alert", NAMES)
def test_every_command_ends_by_itself_and_prints_a_page_at_most(alert: str) -> None:
    text = (PAGES / f"{alert}.md").read_text(encoding="utf-8")
    steps = [*commands(text), *(span for span in re.findall("`([^`\n]+)`", text) if re.match("docker|curl|make", span))]
    # What follows a redirection goes into a file.
    assert {
        step: found for step in steps if ">" not in step.replace("2>", "") and (found := command_faults(step))
    } == {}


@pytest.mark.parametrize("alert", NAMES)
def test_every_query_is_seen_by_the_check_of_metric_names(alert: str) -> None:
    text = (PAGES / f"{alert}.md").read_text(encoding="utf-8")
    assert len(queries(text)) == text.count("promtool query")


@pytest.mark.parametrize("command", RIGHT_COMMANDS)
def test_right_command_has_no_fault(command: str) -> None:
    assert command_faults(command) == []


@pytest.mark.parametrize("wrong", WRONG_COMMANDS)
def test_wrong_command_is_noticed(wrong: str) -> None:
    assert len(command_faults(WRONG_COMMANDS[wrong])) == 1
