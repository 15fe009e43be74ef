"""No notification is lost for its version: Alertmanager's of tomorrow and Grafana's own are stored, shown and sent."""

from urllib.parse import quote

from running_inbox import Json, RunningInbox, alert, notification
from test_page import page
from test_wording import news, written

FIGURES = "A = 44.239, C = 1"
GRAFANAS: Json = {
    "silenceURL": "https://grafana.example/alerting/silence/new?alertmanager=grafana&matcher=alertname%3DSlow",
    "dashboardURL": "https://grafana.example/d/abc",
    "panelURL": "https://grafana.example/d/abc?viewPanel=7&from=1&to=2",
    "values": {"C": 1, "A": 44.23943737541908},
    "valueString": "[ var='A' labels={} value=44.23943737541908 ]",
    "generatorURL": "https://grafana.example/alerting/grafana/abc/view",
}


def from_grafana(*alerts: Json, **changes: Json) -> Json:
    """Return what Grafana's webhook contact point posts."""
    extra: Json = {"version": "1", "orgId": 1, "title": "[FIRING:1] Slow", "state": "alerting", "message": "**Firing**"}
    return notification(*(alerts or (alert("Slow", **GRAFANAS),)), **extra, **changes)


def test_any_version_and_any_further_or_missing_field_is_taken(inbox: RunningInbox) -> None:
    bodies: list[Json] = [
        notification(version="5", added={"deep": [1]}),
        notification(version=5),
        {name: value for name, value in notification().items() if name in ("alerts", "status")},
        {"alerts": notification()["alerts"]},
        notification(commonLabels=["another", "shape"], commonAnnotations=None, externalURL={}),
        notification(alert(added=True, endsAt=None, generatorURL=None, fingerprint=None, annotations=None)),
        from_grafana(),
        from_grafana(alert("Slow", values=None, silenceURL="", dashboardURL="", panelURL="")),
    ]
    for number, body in enumerate(bodies, 1):
        sent = [{**one, "labels": {"alertname": f"N{number}"}} for one in body["alerts"]]
        answer = inbox.post(body | {"alerts": sent})
        assert (answer.status, answer.text) == (200, f'{{"id":{number},"stored":true}}\n')
        stored = inbox.stored("?limit=1")[0]
        assert (stored["status"], stored["alerts"]) == ("firing", sent)
    text = page(inbox).text
    assert all(f"N{number}" in text for number in range(1, len(bodies) + 1))


def test_a_version_that_cannot_be_read_is_shown_with_its_text(inbox: RunningInbox) -> None:
    body = {"version": "6", "groups": [{"name": "qa is slow " + "中" * 5000}]}
    assert inbox.post(body).status == 200
    (stored,) = inbox.stored()
    assert stored["alerts"][0]["labels"]["alertname"] == "NotificationUnreadable"
    text = page(inbox).text
    assert "unknown version '6' came, and can't be read: alerts is missing" in text
    assert "qa is slow" in text
    assert "收到版本未知（'6'）的通知" in page(inbox, language="zh").text


def test_grafanas_alert_has_its_figures_and_its_links(stopped_inbox: RunningInbox) -> None:
    inbox = stopped_inbox
    inbox.environment["ALERT_INBOX_ALERTMANAGER_URL"] = "http://127.0.0.1:9093/"
    inbox.start()
    inbox.post(from_grafana())
    shown = page(inbox)
    assert FIGURES in shown.text
    assert "Rule in Grafana" in shown.text
    assert "在 Grafana 中查看规则" in page(inbox, language="zh").text
    links = shown.all("a", "href")
    assert {GRAFANAS[name] for name in ("silenceURL", "panelURL", "generatorURL")} <= set(links)
    # This Alertmanager doesn't know the alert.
    assert not [link for link in links if "9093/#/silences" in link]
    inbox.post(from_grafana(alert("Other", **GRAFANAS | {"panelURL": "", "values": None})))
    shown = page(inbox, f"/?alertname={quote('Other')}")
    assert GRAFANAS["valueString"] in shown.text
    assert [link for link in shown.all("a", "href") if link.startswith(GRAFANAS["dashboardURL"])]
    inbox.post(from_grafana(alert("Evil", **GRAFANAS | {"silenceURL": "javascript:alert(1)"})))
    assert "javascript:alert(1)" not in page(inbox).all("a", "href")


def test_a_chat_is_told_grafanas_figures_which_stand_for_a_summary_that_the_rule_lacks() -> None:
    message = written(news(alert("Slow", **GRAFANAS)), language="zh")
    assert message.title == "告警中 03-04 13:06 Slow embedding：Slow summary"
    assert FIGURES in message.blocks[0].lines
    assert ("仪表盘", GRAFANAS["panelURL"]) in message.blocks[0].links
    assert written(news(alert("Slow", annotations={}, **GRAFANAS))).title.endswith(f"Slow embedding: {FIGURES}")
