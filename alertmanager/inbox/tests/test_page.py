"""The page shows what happened, in two languages, and nothing that an alert contains can act in it."""

import re
from dataclasses import asdict
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from running_inbox import RunningInbox, alert, notification

from alert_inbox.language import CHINESE, ENGLISH
from alert_inbox.links import is_web_link, silence_link
from alert_inbox.page import duration

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}"

# Every tag of the template; anything else came in with an alert.
OWN_TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "noscript",
        "link",
        "script",
        "body",
        "header",
        "main",
        "footer",
        "nav",
    ),
    *("h1", "h2", "h3", "p", "a", "span", "ol", "ul", "li", "article", "section", "dl", "div", "dt", "dd"),
    *("time", "pre", "form", "label", "input", "select", "option", "datalist", "button", "details", "summary"),
}


class Page(HTMLParser):
    """The page's elements and its visible text."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, attribute: str) -> list[str]:
        return [
            attributes[attribute] for found, attributes in self.elements if found == tag and attribute in attributes
        ]


def page(inbox: RunningInbox, path: str = "/", language: str = "en") -> Page:
    answer = inbox.get(path, Accept_Language=language)
    assert answer.status == 200, answer.text
    return Page(answer.text)


def test_an_empty_inbox_says_how_to_send_a_test_alert(inbox: RunningInbox) -> None:
    shown = page(inbox)
    assert "No notification has arrived yet" in shown.text
    assert "amtool alert add TestAlert" in shown.text
    assert "还没有收到任何通知" in page(inbox, language="zh-CN").text


def test_an_alert_is_shown_with_all_that_a_person_on_call_needs(stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    inbox.environment["ALERT_INBOX_ALERTMANAGER_URL"] = "http://127.0.0.1:9093/"
    inbox.start()
    annotations = {
        "summary": "embedding is slow",
        "description": "More than 2 s.",
        "summary_zh": "embedding 变慢",
        "runbook_url": "https://example.com/runbook",
        "dashboard_url": "https://example.com/dashboard",
        "owner": "search team",
    }
    inbox.post(notification(alert(annotations=annotations), truncatedAlerts=7))
    shown = page(inbox)
    text = " ".join(shown.text.split())
    for expected in (
        "Firing",
        "GTE_TaskLatencyHigh",
        "warning",
        "embedding is slow",
        "More than 2 s.",
        "task_type",
        "search team",
        "Started 2026-03-04 05:06:07",
        "Ended not yet",
        "Times in UTC.",
        "7 more alerts of this group are left out",
        "1 stored; the newest 10000 are kept.",
    ):
        assert expected in text
    assert "变慢" not in text
    links = shown.all("a", "href")
    assert "http://127.0.0.1:9091/graph?g0.expr=up" in links
    assert "https://example.com/runbook" in links
    assert "https://example.com/dashboard" in links
    assert "http://127.0.0.1:9093/" in links
    assert silence_link("http://127.0.0.1:9093", alert()["labels"]) in links
    assert "2026-03-04T05:06:07.123+00:00" in shown.all("time", "datetime")
    chinese = page(inbox, language="zh-CN,zh;q=0.9,en;q=0.8")
    assert "embedding 变慢" in chinese.text
    assert "告警中" in chinese.text
    assert "警告" in chinese.text


def test_firing_and_resolved_differ_in_words_signs_and_classes(inbox: RunningInbox) -> None:
    inbox.post(notification(alert("Over", "resolved")))
    shown = page(inbox)
    assert "✓" in shown.text
    assert "▲" not in shown.text
    assert "Ended 2026-03-04 07:11:07 (lasted 2 h 5 min)" in " ".join(shown.text.split())
    assert "resolved" in shown.all("article", "class")
    inbox.post(notification(alert("Over", "resolved"), alert("Still")))
    both = page(inbox, "/?status=firing")
    assert "1 firing, 1 resolved" in both.text
    # The sign of the notification, and one for each of its alerts.
    assert (both.text.count("▲"), both.text.count("✓")) == (2, 1)
    assert both.text.index("Still") < both.text.index("Over")


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        ("zh-CN", "zh"),
        ("zh-TW", "zh"),
        ("de, zh;q=0.5, en;q=0.4", "zh"),
        ("fr", "en"),
        ("en-GB,zh", "en"),
        ("zh;q=0, de", "en"),
        ("", "en"),
    ],
)
def test_the_language_follows_the_browser(inbox: RunningInbox, header: str, tag: str) -> None:
    answer = inbox.get("/", Accept_Language=header)
    assert answer.headers["Content-Language"] == tag
    assert answer.headers["Vary"] == "Accept-Language"
    assert Page(answer.text).all("html", "lang") == [tag]


def test_both_languages_say_everything_and_fill_in_the_same_things() -> None:
    english, chinese = asdict(ENGLISH), asdict(CHINESE)
    for name, text in english.items():
        if name == "annotation_ending":
            continue
        assert chinese[name], name
        assert re.findall(r"{\w+}", str(chinese[name])) == re.findall(r"{\w+}", str(text)), name


def test_markup_in_an_alert_stays_text_wherever_it_stands(inbox: RunningInbox) -> None:
    evil = alert(
        EVIL,
        labels={"alertname": EVIL, "severity": EVIL, EVIL: EVIL},
        annotations={"summary": EVIL, "description": EVIL, "runbook_url": EVIL, EVIL: EVIL},
        generatorURL=EVIL,
        fingerprint=EVIL,
    )
    inbox.post(notification(evil, receiver=EVIL, groupKey=EVIL, groupLabels={EVIL: EVIL}, externalURL=EVIL))
    shown = page(inbox)
    assert shown.text.count(EVIL) >= 10
    tags = {tag for tag, _ in shown.elements}
    assert tags <= OWN_TAGS
    assert shown.all("script", "src") == ["/static/inbox.js"]
    assert sum(tag == "script" for tag, _ in shown.elements) == 1
    names = {name for _, attributes in shown.elements for name in attributes}
    assert not {name for name in names if name.startswith("on") or name == "style"}
    # Back in through the filter, where the text stands in the address.
    (link,) = [href for href in shown.all("a", "href") if "alertname=" in href]
    again = page(inbox, link)
    assert {tag for tag, _ in again.elements} <= OWN_TAGS
    assert EVIL in again.text


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "vbscript:x",
        "file:///etc/passwd",
        "//example.com/x",
        "http:example.com",
        "http://",
        "http://[broken",
        "https://example.com/\nx",
        "docs/runbooks/A.md",
    ],
)
def test_only_web_addresses_become_links(inbox: RunningInbox, address: str) -> None:
    assert not is_web_link(address)
    inbox.post(notification(alert(generatorURL=address, annotations={"runbook_url": address})))
    shown = page(inbox)
    for href in shown.all("a", "href"):
        assert href.startswith(("/?", "/#")) or href in ("/", "/runbooks/")
    # Shown all the same: a person can read where it was meant to lead.
    assert address.strip() in shown.text


# The alert of the tests begins on 2026-03-04 at 05:06:07.123 and ends, if it does, at 07:11:07, both UTC.
FIRING, OVER = "from=1772598967123&to=now", "from=1772598967123&to=1772608867000"


@pytest.mark.parametrize(
    ("address", "english", "chinese"),
    [
        ("http://g:3000/d/gte-overview", "http://g:3000/d/gte-overview?", "http://g:3000/d/gte-overview-zh?"),
        (
            "https://g/sub/d/gte-inside/inside?var-task_type=qa&var-x=%2Fd%2Fgte-x",
            "https://g/sub/d/gte-inside/inside?var-task_type=qa&var-x=%2Fd%2Fgte-x&",
            "https://g/sub/d/gte-inside-zh/inside?var-task_type=qa&var-x=%2Fd%2Fgte-x&",
        ),
        ("http://g/d/gte-stack-zh#top", "http://g/d/gte-stack-zh?", "http://g/d/gte-stack-zh?"),
        ("http://g/d/other?viewPanel=2", "http://g/d/other?viewPanel=2&", "http://g/d/other?viewPanel=2&"),
    ],
)
def test_a_dashboard_opens_at_the_time_of_the_alert_and_in_the_readers_language(
    inbox: RunningInbox, address: str, english: str, chinese: str
) -> None:
    annotations = {"dashboard_url": address}
    inbox.post(notification(alert(annotations=annotations)))
    inbox.post(notification(alert(status="resolved", annotations=annotations)))
    fragment = "#top" if "#" in address else ""
    for language, expected in (("en", english), ("zh", chinese)):
        links = [href for href in page(inbox, language=language).all("a", "href") if "/d/" in href]
        assert links == [f"{expected}{OVER}{fragment}", f"{expected}{FIRING}{fragment}"]


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/dashboard",
        "https://example.com/d/",
        "https://example.com/x?of=/d/gte-overview",
        "https://example.com/d/other?from=now-1h",
        "https://example.com/d/other?to=",
    ],
)
def test_an_address_that_is_no_dashboards_or_names_a_time_is_left_as_it_is(inbox: RunningInbox, address: str) -> None:
    inbox.post(notification(alert(annotations={"dashboard_url": address})))
    assert address in page(inbox, language="zh").all("a", "href")


def test_a_dashboard_without_a_web_address_is_shown_as_text(inbox: RunningInbox) -> None:
    addresses = ("javascript:alert(1)//d/gte-overview", "/d/gte-overview", "http://[broken/d/gte-overview")
    alerts = [alert(annotations={"dashboard_url": address}) for address in addresses]
    inbox.post(notification(*alerts))
    shown = page(inbox, language="zh")
    for address in addresses:
        assert f"仪表盘: {address}" in shown.text
    assert not [href for href in shown.all("a", "href") if "gte-overview" in href]


def test_an_alert_that_began_in_the_first_minutes_of_time_links_to_its_dashboard(inbox: RunningInbox) -> None:
    inbox.post(notification(alert(annotations={"dashboard_url": "http://g/d/x"}, startsAt="0001-01-01T00:00:00Z")))
    assert "http://g/d/x?from=-62135598600000&to=now" in page(inbox).all("a", "href")


@pytest.mark.parametrize(
    ("language", "text", "address"),
    [("en", "Dashboards ↗", "http://g:3000/d/gte-overview"), ("zh", "仪表盘 ↗", "http://g:3000/d/gte-overview-zh")],
)
def test_the_page_links_to_the_dashboards_where_their_address_is_set(
    stopped_inbox: RunningInbox, language: str, text: str, address: str
) -> None:
    stopped_inbox.environment["ALERT_INBOX_GRAFANA_URL"] = "http://g:3000/"
    stopped_inbox.start()
    shown = page(stopped_inbox, language=language)
    assert address in shown.all("a", "href")
    assert text in shown.text
    stopped_inbox.stop()
    stopped_inbox.environment["ALERT_INBOX_GRAFANA_URL"] = "none"
    stopped_inbox.start()
    without = page(stopped_inbox, language=language)
    assert text not in without.text
    assert not [href for href in without.all("a", "href") if "/d/" in href]


def test_a_runbook_that_is_a_file_of_the_project_is_named(inbox: RunningInbox) -> None:
    inbox.post(notification(alert(annotations={"runbook": "docs/runbooks/GTE_ServiceDown.md"})))
    assert "Runbook: docs/runbooks/GTE_ServiceDown.md" in " ".join(page(inbox).text.split())


def test_the_silence_link_names_every_label_and_quotes_what_needs_it() -> None:
    link = silence_link("http://a", {"b": 'say "hi"', "a": "x&y", "näme": "z"})
    assert link == (
        "http://a/#/silences/new?filter=%7Ba%3D%22x%26y%22%2Cb%3D%22say%20%5C%22hi%5C%22%22%2C%22n%C3%A4me%22%3D%22z%22%7D"
    )
    assert silence_link("", {"a": "b"}) == ""


def test_the_page_forbids_anything_inline_or_from_elsewhere_and_needs_neither(inbox: RunningInbox) -> None:
    inbox.post(notification())
    answer = inbox.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    shown = Page(answer.text)
    for address in shown.all("script", "src") + shown.all("link", "href"):
        assert address.startswith("/static/")
        assert inbox.get(address).status == 200
    for tag, attributes in shown.elements:
        assert tag != "style"
        assert "style" not in attributes
    # Without a script the browser itself loads the page anew.
    assert ("meta", {"http-equiv": "refresh", "content": "10"}) in shown.elements


def test_the_page_gives_the_older_ones_on_further_pages(inbox: RunningInbox) -> None:
    for number in range(52):
        inbox.post(notification(alert(f"N{number}")))
    first = page(inbox)
    assert [int(identifier[1:]) for identifier in first.all("li", "id")] == list(range(52, 2, -1))
    (older,) = [href for href in first.all("a", "href") if "before=" in href]
    second = page(inbox, older)
    assert [int(identifier[1:]) for identifier in second.all("li", "id")] == [2, 1]
    assert not [href for href in second.all("a", "href") if "before=" in href]


def test_filters_stay_together_and_an_empty_result_says_so(inbox: RunningInbox) -> None:
    inbox.post(notification(alert("A")))
    shown = page(inbox, "/?alertname=A&status=resolved")
    assert "No stored notification matches." in shown.text
    assert "/?alertname=A&status=firing" in shown.all("a", "href")
    assert ("input", {"type": "hidden", "name": "status", "value": "resolved"}) in shown.elements
    assert inbox.get("/?limit=3").status == 400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3725, "1 h 2 min"),
        (86405, "1 d"),
        (200000, "2 d 7 h"),
    ],
)
def test_a_duration_shows_its_two_largest_units(seconds: int, text: str) -> None:
    assert duration(timedelta(seconds=seconds), ENGLISH) == text
