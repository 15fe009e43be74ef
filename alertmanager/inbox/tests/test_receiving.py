"""What Alertmanager sends is understood, kept once, and listed."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from running_inbox import Json, RunningInbox, alert, notification

from alert_inbox.web import MAX_BODY

TOO_DEEP = b'{"version":"4","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def test_the_inbox_answers_by_its_own_names_and_by_addresses_alone(inbox: RunningInbox) -> None:
    for host in ("evil.example", f"evil.example:{inbox.port}", ""):
        for path in ("/", "/api/notifications", "/runbooks/", "/metrics"):
            answer = inbox.get(path, Host=host)
            assert (answer.status, answer.error()["code"]) == (403, "unknown_host")
        body = json.dumps(notification())
        posted = inbox.request("POST", "/alerts", body, {"Content-Type": "application/json", "Host": host})
        assert posted.status == 403
        assert "add it to ALLOWED_HOSTS in .env" in posted.error()["message"]
    assert inbox.stored() == []
    for host in ("alert-inbox:5001", "localhost", "10.1.2.3:5001", "[::1]:5001"):
        assert inbox.get("/", Host=host).status == 200


def test_a_notification_is_listed_as_it_was_sent(inbox: RunningInbox) -> None:
    sent = notification(alert("One"), alert("Two", "resolved"), truncatedAlerts=3)
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    answer = inbox.post(sent)
    assert (answer.status, answer.json()) == (200, {"id": 1, "stored": True})
    (listed,) = inbox.stored()
    received_at = listed.pop("received_at")
    assert received_at.endswith("Z")
    assert before <= datetime.fromisoformat(received_at) <= datetime.now(UTC)
    assert listed == {
        "id": 1,
        "status": "firing",
        "receiver": "alert-inbox",
        "group_key": sent["groupKey"],
        "group_labels": {"alertname": "One"},
        "truncated_alerts": 3,
        "unconfirmed": False,
        "alerts": sent["alerts"],
    }


def test_the_newest_comes_first_and_the_query_narrows_the_list(inbox: RunningInbox) -> None:
    for body in (
        notification(alert("A")),
        notification(alert("B"), alert("A")),
        notification(alert("A", "resolved")),
        notification(alert("C 中文")),
    ):
        assert inbox.post(body).json()["stored"]

    def ids(query: str) -> list[int]:
        return [stored["id"] for stored in inbox.stored(query)]

    assert ids("") == [4, 3, 2, 1]
    assert ids("?limit=2") == [4, 3]
    assert ids("?limit=2&before=3") == [2, 1]
    assert ids("?alertname=A") == [3, 2, 1]
    assert ids("?alertname=A&status=firing") == [2, 1]
    assert ids("?alertname=C%20%E4%B8%AD%E6%96%87") == [4]
    assert ids("?alertname=nothing") == []
    assert inbox.get("/api/notifications?limit=3").json()["next_before"] == 2
    assert inbox.get("/api/notifications?limit=4").json()["next_before"] is None
    other = alert("A", labels={"alertname": "A", "severity": "critical", "task_type": "qa"})
    assert inbox.post(notification(other, alert("B"), groupKey="other")).json()["stored"]
    assert ids("?severity=critical") == [5]
    assert ids("?severity=warning&task=embedding") == [5, 4, 3, 2, 1]
    # One alert must have all of it.
    assert ids("?alertname=B&severity=critical") == []
    assert ids("?alertname=A&task=qa") == [5]
    assert ids("?severity=&task=&alertname=&status=&from=&until=") == [5, 4, 3, 2, 1]
    third = inbox.stored()[2]["received_at"]
    assert ids(f"?from={third}") == [5, 4, 3]
    assert ids(f"?until={third}") == [2, 1]
    in_shanghai = datetime.fromisoformat(third).astimezone(timezone(timedelta(hours=8))).isoformat()
    assert ids(f"?from={quote(in_shanghai)}&status=resolved") == [3]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=0", "limit is '0'"),
        ("limit=1001", "limit is '1001'; it must be a whole number from 1 to 1000"),
        ("limit=ten", "limit is 'ten'"),
        ("limit=", "limit is ''"),
        ("limit=" + "9" * 3000, "it must be a whole number"),
        ("limit=%D9%A3", "it must be a whole number"),
        ("before=-1", "before is '-1'"),
        ("status=pending", "status is 'pending'; it must be firing or resolved"),
        ("from=yesterday", "from is 'yesterday'; give a time such as"),
        ("until=0001-01-01T00:00%2B09:00", "until is '0001-01-01T00:00+09:00'"),
        ("status=firing&status=resolved", "status is given more than once"),
        ("alert=A", "unknown parameter 'alert'; known are limit, alertname, severity, task, status, "),
    ],
)
def test_a_bad_query_is_refused_with_its_reason(inbox: RunningInbox, query: str, expected: str) -> None:
    answer = inbox.get(f"/api/notifications?{query}")
    assert answer.status == 400
    assert answer.error()["code"] == "invalid_query"
    assert expected in answer.error()["message"]


def test_every_bad_body_is_refused_with_the_place_of_the_fault(inbox: RunningInbox) -> None:
    bad_alerts = {
        "alerts[1] must be an object, got a string": "text",
        "alerts[1].status is 'pending'; it must be firing or resolved": alert(status="pending"),
        "alerts[1].labels is missing": alert(labels=None),
        "alerts[1].labels must be an object, got a list": alert(labels=[]),
        "alerts[1].labels.alertname must be a string, got a whole number": alert(labels={"alertname": 1}),
        "alerts[1].annotations.summary must be a string, got null": alert(annotations={"summary": None}),
        "alerts[1].startsAt is missing; it must be a string": alert(startsAt=None),
        "alerts[1].startsAt is 'yesterday': not an RFC 3339 time": alert(startsAt="yesterday"),
        "alerts[1].startsAt is '2026-02-30T00:00:00Z': day is out of range": alert(startsAt="2026-02-30T00:00:00Z"),
        "alerts[1].endsAt is '0001-01-01T00:00:00+09:00': outside the years": alert(endsAt="0001-01-01T00:00:00+09:00"),
        "alerts[1].endsAt must be a string, got a whole number": alert(endsAt=0),
        "alerts[1].generatorURL must be a string, got true or false": alert(generatorURL=True),
        "alerts[1].fingerprint must be a string, got a number with a fraction": alert(fingerprint=0.5),
    }
    bad: list[tuple[str, Json]] = [
        ("the body is not JSON: Expecting value", b""),
        ("the body is not JSON: Expecting value", b"<alerts/>"),
        ("the body is not JSON: NaN is not a JSON value", b'{"version": NaN}'),
        ("the body is not JSON: it is nested too deeply", TOO_DEEP),
        ("the body is not valid Unicode text", b'{"version": "\xff"}'),
        ("the body is not valid Unicode text", b'{"version": "4", "receiver": "\\ud800"}'),
        ("the body must be an object, got a list", []),
        ("status is 'open'; it must be firing or resolved", notification(status="open")),
        ("receiver must be a string, got a whole number", notification(receiver=1)),
        ("groupKey must be a string, got an object", notification(groupKey={})),
        ("groupLabels must be an object, got a string", notification(groupLabels="none")),
        ("truncatedAlerts must be a count of alerts, got -1", notification(truncatedAlerts=-1)),
        ("truncatedAlerts must be a whole number, got true or false", notification(truncatedAlerts=True)),
        ("alerts is missing; it must be a list", notification(alerts=None)),
        ("alerts is empty", notification(alerts=[])),
        *((message, notification(alerts=[alert(), one])) for message, one in bad_alerts.items()),
    ]
    for message, body in bad:
        answer = inbox.post(body)
        assert answer.status == 400, message
        assert message in answer.error()["message"]
    assert inbox.stored() == []
    refused = f'alert_inbox_refused_notifications_total{{reason="invalid"}} {float(len(bad))}'
    assert refused in inbox.get("/metrics").text


def test_a_number_too_large_for_json_is_refused_and_breaks_no_filter(inbox: RunningInbox) -> None:
    body = json.dumps(notification()).replace('"alerts"', '"value": 1e999, "alerts"', 1)
    assert inbox.post(body.encode()).error()["code"] == "invalid_json"
    assert inbox.get("/?severity=warning").status == 200


def test_a_refused_notification_is_not_lost_without_a_trace(inbox: RunningInbox) -> None:
    assert inbox.post(notification(alerts=[alert("Spoilt", startsAt="soon")])).status == 400
    (line,) = [line for line in inbox.log.read_text().splitlines() if "refused a notification" in line]
    assert "alerts[0].startsAt is 'soon'" in line
    assert "Spoilt" in line


def test_text_from_outside_cannot_begin_a_line_of_its_own_in_the_log(inbox: RunningInbox) -> None:
    inbox.post(notification(groupKey="a\n2026 ERROR forged"))
    inbox.post(b'{"version": "4"\n2026 ERROR forged}')
    assert not [line for line in inbox.log.read_text().splitlines() if line.startswith("2026 ERROR forged")]


def test_only_json_is_taken_so_that_no_web_page_can_post_alerts_unasked(inbox: RunningInbox) -> None:
    body = json.dumps(notification()).encode()
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = inbox.request("POST", "/alerts", body, {"Content-Type": content_type})
        assert (answer.status, answer.error()["code"]) == (400, "invalid_content_type")
    assert inbox.stored() == []


TOKEN = "token-of-sixteen"  # noqa: S105 - of the tests
BEYOND = {"ALERT_INBOX_PUBLISHED_AT": "0.0.0.0"}
LOCAL = {"ALERT_INBOX_PUBLISHED_AT": "127.0.0.1"}
KNOWN = {"ALERT_INBOX_TOKEN": TOKEN}


@pytest.mark.parametrize(
    ("environment", "authorization", "status"),
    [
        (BEYOND, "", 401),
        (BEYOND, f"Bearer {TOKEN}", 401),
        (BEYOND | KNOWN, "", 401),
        (BEYOND | KNOWN, f"Bearer {TOKEN}x", 401),
        (BEYOND | KNOWN, "Bearer tok\xe9n", 401),
        (BEYOND | KNOWN, TOKEN, 401),
        (BEYOND | KNOWN, f"Bearer {TOKEN}", 200),
        (BEYOND | KNOWN, f"bearer {TOKEN}", 200),
        (LOCAL, "", 200),
        (LOCAL | KNOWN, "", 401),
        (LOCAL | KNOWN, f"Bearer {TOKEN}", 200),
    ],
)
def test_a_post_from_beyond_the_host_needs_the_token_and_that_of_the_alertmanager_beside_it_none(
    stopped_inbox: RunningInbox, environment: dict[str, str], authorization: str, status: int
) -> None:
    inbox = stopped_inbox
    inbox.environment |= environment
    inbox.start()
    headers = {"Content-Type": "application/json", "Authorization": authorization}
    for path in ("/alerts", "/watchdog"):
        answer = inbox.request("POST", path, json.dumps(notification()), headers)
        assert answer.status == status, answer.text
        if status == 401:
            assert answer.error()["code"] == "token_needed"
            assert "ALERT_INBOX_TOKEN in .env" in answer.error()["message"]
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert len(inbox.stored()) == (status == 200)
    counted = 'alert_inbox_refused_notifications_total{reason="token"} '
    assert counted + ("2.0" if status == 401 else "0.0") in inbox.get("/metrics").text
    assert TOKEN not in inbox.log.read_text()
    inside = json.dumps(notification(alert("Inside")))
    answer = inbox.request("POST", "/alerts", inside, {"Content-Type": "application/json"}, inbox.inside_port)
    assert answer.status == 200
    assert inbox.stored()[0]["alerts"][0]["labels"]["alertname"] == "Inside"


def test_what_no_alertmanager_sends_is_refused_with_or_without_its_length(inbox: RunningInbox) -> None:
    headers = {"Content-Type": "application/json"}
    told = inbox.request("POST", "/alerts", b"{}", headers | {"Content-Length": str(MAX_BODY + 2)})
    untold = inbox.request("POST", "/alerts", (b" " * 65536 for _ in range(MAX_BODY // 65536 + 1)), headers)
    many = notification(*(alert(annotations={str(each): "x" * 2000 for each in range(9)}) for _ in range(500)))
    for answer in (told, untold, inbox.post(many)):
        assert (answer.status, answer.error()["code"]) == (413, "too_large")
    fits = notification(alert(annotations={"description": "x" * 1_000_000}))
    assert inbox.post(fits).status == 200
    assert inbox.stored()[0]["alerts"] == fits["alerts"]


def test_a_text_of_a_long_notification_is_cut_between_its_characters(inbox: RunningInbox) -> None:
    for shift in range(30):
        # Characters of one to four bytes, as they are and as escapes of two, six and twelve.
        text = "a" * shift + 'é中😀"\\\n' * 2000
        for ascii_only in (True, False):
            long = notification(alert(annotations={"description": text}), groupKey=f"{shift} {ascii_only}")
            body = json.dumps(long, ensure_ascii=ascii_only).encode()
            assert inbox.post(body + b" " * 1_048_576).status == 200
            (cut,) = [stored["alerts"][0] for stored in inbox.stored("?limit=1")]
            description = cut["annotations"].pop("description")
            assert 150 < len(description) < 2048
            assert description.endswith("…")
            assert text.startswith(description[:-1])
            assert cut == alert(annotations={})


def test_of_too_many_alerts_those_that_fire_are_kept_and_the_others_counted(inbox: RunningInbox) -> None:
    def body(figure: str) -> Json:
        over = [alert(f"Over{each}", "resolved", annotations={"summary": figure}) for each in range(600)]
        firing = [alert(f"Fires{each}", annotations={"summary": figure}) for each in range(800)]
        return notification(*over, *firing, truncatedAlerts=7)

    assert inbox.post(body("1" * 1500)).json()["stored"]
    (stored,) = inbox.stored()
    statuses = [each["status"] for each in stored["alerts"]]
    assert statuses.count("firing") == 800
    assert 0 < statuses.count("resolved") < 600
    assert stored["truncated_alerts"] == 7 + 1400 - len(statuses)
    # The same news with longer texts, of which fewer would be kept.
    assert not inbox.post(body("1" * 1900)).json()["stored"]
    assert f"{7 + 1400 - 50} more alerts of this group are left out" in inbox.get("/").text


def test_a_thousand_notifications_at_once_are_each_stored_once_and_the_health_check_answers(
    inbox: RunningInbox,
) -> None:
    # Each comes twice, as from an Alertmanager that has given up on the first answer.
    bodies = [notification(alert(f"N{number // 2}")) for number in range(1000)]
    waits = []
    with ThreadPoolExecutor(500) as pool:
        answers = [pool.submit(inbox.post, body) for body in bodies]
        while not all(answer.done() for answer in answers):
            begun = time.monotonic()
            assert inbox.get("/healthz").status == 200
            assert inbox.get("/").status == 200
            waits.append(time.monotonic() - begun)
    assert [answer.result().status for answer in answers] == [200] * 1000
    assert sum(answer.result().json()["stored"] for answer in answers) == 500
    stored = inbox.stored("?limit=1000")
    assert {each["alerts"][0]["labels"]["alertname"] for each in stored} == {f"N{number}" for number in range(500)}
    assert len(stored) == 500
    # Readers don't stand in the posts' line; Docker gives the health check 5 s.
    assert len(waits) > 10
    assert max(waits) < 5


def test_what_go_writes_as_null_counts_as_absent(inbox: RunningInbox) -> None:
    bare: Json = {"status": "resolved", "labels": {}, "annotations": None, "startsAt": "2026-01-01T00:00:00Z"}
    assert inbox.post(notification(bare | {"labels": {"alertname": "A"}}, groupLabels=None)).status == 200
    assert inbox.get("/").status == 200


def test_the_second_delivery_of_a_notification_is_stored_once(inbox: RunningInbox) -> None:
    body = notification()
    assert inbox.post(body).json() == {"id": 1, "stored": True}
    assert inbox.post(dict(reversed(body.items()))).json() == {"id": 1, "stored": False}
    assert len(inbox.stored()) == 1
    metrics = inbox.get("/metrics").text
    assert 'alert_inbox_notifications_total{status="firing"} 1.0' in metrics
    assert 'alert_inbox_notifications_total{status="resolved"} 0.0' in metrics
    assert "alert_inbox_stored_notifications 1.0" in metrics


def test_other_content_another_group_and_a_return_are_all_stored(inbox: RunningInbox) -> None:
    firing, resolved = notification(), notification(alert(status="resolved"))
    other_group = notification(groupKey="other")
    for body in (firing, resolved, firing, other_group, notification(alert(), alert("Second"))):
        assert inbox.post(body).json()["stored"]
    assert len(inbox.stored()) == 5


def test_two_deliveries_at_the_same_time_are_stored_once(inbox: RunningInbox) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: inbox.post(notification()), range(12)))
    assert [answer.status for answer in answers] == [200] * 12
    assert sum(answer.json()["stored"] for answer in answers) == 1
    assert len(inbox.stored()) == 1


def test_anything_else_gets_an_error_in_the_same_form(inbox: RunningInbox) -> None:
    assert inbox.get("/nothing").error()["code"] == "not_found"
    wrong_method = inbox.get("/alerts")
    assert (wrong_method.status, wrong_method.error()["code"]) == (405, "method_not_allowed")
    assert "POST" in (wrong_method.headers["Allow"] or "")


def test_metrics_name_their_format(inbox: RunningInbox) -> None:
    plain = inbox.get("/metrics")
    assert plain.headers["Content-Type"].startswith("text/plain; version=")
    openmetrics = inbox.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert openmetrics.headers["Content-Type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")
