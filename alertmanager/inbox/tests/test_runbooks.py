"""Runbooks are pages: both languages, links that lead somewhere, and nothing in a file that can act."""

from pathlib import Path

import pytest
from running_inbox import RunningInbox
from test_page import OWN_TAGS, Page, page

from alert_inbox.language import CHINESE, ENGLISH
from alert_inbox.runbooks import Runbooks

PROJECT = Path(__file__).resolve().parents[3]
FILES = {
    "GTE_One.md": """# GTE_One

## Diagnosis
See [Two](GTE_Two.md), [itself](./GTE_One.zh-CN.md#diagnosis), [the docs](../metrics.md), [out](https://example.com/a)
and [bad](javascript:alert(1)).

| name | count |
| --- | ---: |
| a | 1 |

```sh
curl -s http://127.0.0.1:5000/readyz | grep '<b>"ready"&'
```

<script>alert(1)</script> <b onclick="alert(1)">bold</b> ![picture](https://example.com/a.png)
""",
    "GTE_One.zh-CN.md": "# GTE_One\n\n## 诊断\n见 [GTE_Two](GTE_Two.zh-CN.md)。\n",
    "GTE_Two.md": "# GTE_Two\n\nOnly in English.\n",
    "notes.txt": "no runbook",
}


@pytest.fixture
def inbox(stopped_inbox: RunningInbox, tmp_path: Path) -> RunningInbox:
    """One that serves the files above."""
    folder = tmp_path / "runbooks"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    stopped_inbox.environment["ALERT_INBOX_RUNBOOKS"] = str(folder)
    stopped_inbox.start()
    return stopped_inbox


def test_a_runbook_is_shown_in_the_readers_language(inbox: RunningInbox) -> None:
    english = inbox.get("/runbooks/GTE_One", Accept_Language="en")
    assert (english.status, english.headers["Content-Language"]) == (200, "en")
    assert english.headers["Vary"] == "Accept-Language"
    assert "Diagnosis" in Page(english.text).text
    chinese = inbox.get("/runbooks/GTE_One", Accept_Language="zh-CN,zh;q=0.9,en;q=0.8")
    assert chinese.headers["Content-Language"] == "zh"
    shown = Page(chinese.text)
    assert "诊断" in shown.text
    assert "Diagnosis" not in shown.text
    assert shown.all("main", "lang") == ["zh"]


def test_a_runbook_without_a_translation_is_shown_in_english_and_says_so(inbox: RunningInbox) -> None:
    shown = page(inbox, "/runbooks/GTE_Two", language="zh")
    assert "Only in English." in shown.text
    assert CHINESE.runbook_untranslated in shown.text
    assert (shown.all("html", "lang"), shown.all("main", "lang")) == (["zh"], ["en"])
    assert ENGLISH.runbook_untranslated not in page(inbox, "/runbooks/GTE_Two").text


def test_links_to_other_runbooks_lead_to_their_pages_and_other_files_stay_text(inbox: RunningInbox) -> None:
    shown = page(inbox, "/runbooks/GTE_One")
    assert shown.all("a", "href") == [
        "/",
        "/runbooks/",
        "GTE_Two",
        "GTE_One",
        *(f"https://example.com/{name}" for name in ("a", "a.png")),
    ]
    for text in ("Two", "itself", "the docs", "out", "bad"):
        assert text in shown.text
    for address in ("/runbooks/GTE_Two", "/runbooks/GTE_One"):
        assert inbox.get(address).status == 200


def test_a_command_is_shown_as_it_must_be_typed(inbox: RunningInbox) -> None:
    shown = page(inbox, "/runbooks/GTE_One")
    assert """curl -s http://127.0.0.1:5000/readyz | grep '<b>"ready"&'\n""" in shown.text
    assert ("pre", {}) in shown.elements


def test_markup_in_a_runbook_stays_text_and_nothing_of_it_breaks_the_policy(inbox: RunningInbox) -> None:
    shown = page(inbox, "/runbooks/GTE_One")
    assert '<script>alert(1)</script> <b onclick="alert(1)">bold</b>' in shown.text
    tags = {tag for tag, _ in shown.elements}
    assert tags <= OWN_TAGS | {"code", "table", "thead", "tbody", "tr", "th", "td"}
    assert "script" not in tags
    names = {name for _, attributes in shown.elements for name in attributes}
    assert not {name for name in names if name.startswith("on") or name == "style"}
    assert "unsafe" not in inbox.get("/runbooks/GTE_One").headers["Content-Security-Policy"]


def test_the_list_names_every_runbook_and_the_inbox_leads_to_it(inbox: RunningInbox) -> None:
    assert "/runbooks/" in page(inbox).all("a", "href")
    links = page(inbox, "/runbooks/").all("a", "href")
    assert links == ["/", "/runbooks/", "/runbooks/GTE_One", "/runbooks/GTE_Two"]
    assert inbox.get("/runbooks").headers["Location"].endswith("/runbooks/")


@pytest.mark.parametrize("name", ["GTE_Three", "notes", "GTE_One.md", "..%2F..%2Fetc%2Fpasswd", "%3Cb%3Ex"])
def test_an_unknown_name_is_not_found_and_gets_the_list(inbox: RunningInbox, name: str) -> None:
    for language, words in (("en", ENGLISH), ("zh", CHINESE)):
        answer = inbox.get(f"/runbooks/{name}", Accept_Language=language)
        assert answer.status == 404
        if answer.headers["Content-Type"].startswith("text/html"):
            shown = Page(answer.text)
            assert words.no_runbook.split("{name}")[0] in shown.text
            assert "/runbooks/GTE_Two" in shown.all("a", "href")
            assert "b" not in {tag for tag, _ in shown.elements}
        else:
            # A slash in the name: no address of ours.
            assert "%2F" in name


def test_an_inbox_without_runbooks_says_what_is_missing(stopped_inbox: RunningInbox) -> None:
    stopped_inbox.start()
    assert "ALERT_INBOX_RUNBOOKS" in page(stopped_inbox, "/runbooks/").text
    assert stopped_inbox.get("/runbooks/GTE_One").status == 404


@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=lambda words: words.tag)
def test_every_runbook_of_the_project_is_rendered_with_its_commands(words: object) -> None:
    runbooks = Runbooks(PROJECT / "docs" / "runbooks")
    assert "GTE_ServiceDown" in runbooks.names
    for name in runbooks.names:
        runbook = runbooks.find(name, words)  # type: ignore[arg-type]
        assert runbook is not None
        assert f"<h1>{name}</h1>" in runbook.html
        assert "<pre><code" in runbook.html
