"""Each robot is sent what its vendor's rules ask for, and each of its refusals is understood for what it is."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram
from running_inbox import alert, free_port, notification
from running_robots import PATHS, TOKEN, RunningRobots, text_of

from alert_inbox.advice import advise
from alert_inbox.language import CHINESE, ENGLISH
from alert_inbox.payload import Notification
from alert_inbox.robots import DingTalk, Feishu, Robot, robot_for
from alert_inbox.targets import Target, read_targets
from alert_inbox.wording import Message, News, Places, compose

PLACES = Places(UTC, "http://127.0.0.1:5001")
SECRET = "SEC-of-the-robot"  # noqa: S105 - of the fake


def target(folder: Path, line: str) -> Target:
    (folder / "targets.txt").write_text(line, encoding="utf-8")
    (found,), faults = read_targets(folder / "targets.txt")
    assert faults == []
    return found


def message(robot: Robot, to: Target, *alerts: Any, severity: str = "critical") -> Message:
    alerts = alerts or (alert(labels={"alertname": "GTE_TaskStuck", "severity": severity, "task_type": "qa"}),)
    news = News(datetime.now(UTC), Notification.of(notification(*alerts)))
    return compose([news], to, PLACES, robot.budget, robot.size)[0]


def robot_at(robots: RunningRobots, folder: Path, kind: str, options: str = "") -> tuple[Robot, Target]:
    found = target(folder, robots.line(kind, options))
    return robot_for(found), found


@pytest.mark.parametrize("kind", PATHS)
def test_a_message_is_taken(robots: RunningRobots, tmp_path: Path, kind: str) -> None:
    robot, to = robot_at(robots, tmp_path, kind)
    assert robot.send(message(robot, to)).state == "sent"
    (body,) = robots.taken(kind)
    assert "GTE_TaskStuck" in text_of(body)


# printf '1700000000000\nSEC00006' | openssl dgst -sha256 -hmac SEC00006 -binary | base64
GOLDEN_DINGTALK = "vY74H2zCV9%2B%2F%2F0ulF42Ge8OGw%2BNJ20Md4RJ0s7X6XXE%3D"
# printf '' | openssl dgst -sha256 -mac HMAC -macopt hexkey:$(printf '1700000000\nfeishu-secret' | od -An -tx1 |
# tr -d ' \n') -binary | base64
GOLDEN_FEISHU = "OrBzY1Y01Gq+HgJsl+7OfWcMVwc7YocohQm5iiZwjhU="


def test_signatures_are_those_that_openssl_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    to = target(tmp_path, f"https://oapi.dingtalk.com{PATHS['DingTalk']} secret=SEC00006")
    assert DingTalk(to)._address() == f"{to.address.text}&timestamp=1700000000000&sign={GOLDEN_DINGTALK}"
    to = target(tmp_path, f"https://open.feishu.cn{PATHS['Feishu']} secret=feishu-secret")
    body = Feishu(to)._body(Message("title", ()))
    assert (body["timestamp"], body["sign"]) == ("1700000000", GOLDEN_FEISHU)


@pytest.mark.parametrize("kind", ["DingTalk", "Feishu"])
def test_a_secret_signs(robots: RunningRobots, tmp_path: Path, kind: str) -> None:
    robots.behave(secret=SECRET)
    robot, to = robot_at(robots, tmp_path, kind, f"secret={SECRET}")
    # One in three signatures has no `+` or `/`, which only a right encoding brings over.
    assert {robot.send(message(robot, to)).state for _ in range(4)} == {"sent"}
    robot, to = robot_at(robots, tmp_path, kind)
    assert robot.send(message(robot, to)).advice == "signature"


REFUSALS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "DingTalk: token": ("DingTalk", {"token": "another"}, "refused", "address"),
    "DingTalk: signature": ("DingTalk", {"secret": "another"}, "refused", "signature"),
    "DingTalk: keyword": ("DingTalk", {"keyword": "magic"}, "refused", "keyword"),
    "DingTalk: clock": ("DingTalk", {"secret": SECRET, "clock": 7200}, "refused", "clock"),
    "DingTalk: IP": ("DingTalk", {"answer": [200, {"errcode": 310000, "errmsg": "ip 1.2.3.4 not in whitelist"}]},
                     "refused", "ip"),
    "DingTalk: too fast": ("DingTalk", {"per_minute": {"dingtalk": 0}}, "waiting", "rate"),
    "DingTalk: too long": ("DingTalk", {"answer": [200, {"errcode": 460101, "errmsg": "too long"}]}, "refused",
                           "content"),
    "DingTalk: busy": ("DingTalk", {"answer": [200, {"errcode": -1, "errmsg": "system busy"}]}, "waiting", "server"),
    "DingTalk: unknown": ("DingTalk", {"answer": [200, {"errcode": 88, "errmsg": "what?"}]}, "refused", "other"),
    "Feishu: token": ("Feishu", {"token": "another"}, "refused", "address"),
    "Feishu: signature": ("Feishu", {"secret": "another"}, "refused", "signature"),
    "Feishu: keyword": ("Feishu", {"keyword": "magic"}, "refused", "keyword"),
    "Feishu: clock": ("Feishu", {"secret": SECRET, "clock": -7200}, "refused", "clock"),
    "Feishu: IP": ("Feishu", {"answer": [200, {"code": 19022, "msg": "Ip Not Allowed"}]}, "refused", "ip"),
    "Feishu: too fast": ("Feishu", {"per_minute": {"feishu": 0}}, "waiting", "rate"),
    "Feishu: too fast, too": ("Feishu", {"answer": [200, {"code": 11232, "msg": "frequency limited"}]}, "waiting",
                              "rate"),
    "WeCom: key": ("WeCom", {"token": "another"}, "refused", "address"),
    "WeCom: too fast": ("WeCom", {"per_minute": {"wecom": 0}}, "waiting", "rate"),
    "WeCom: too long": ("WeCom", {"answer": [200, {"errcode": 40058, "errmsg": "exceed max length"}]}, "refused",
                        "content"),
    "a code that is no number": ("WeCom", {"answer": [200, {"errcode": False}]}, "refused", "other"),
    "an error with code 0": ("WeCom", {"answer": [500, {"errcode": 0}]}, "waiting", "server"),
    "an error of a proxy": ("WeCom", {"answer": [502, "Bad Gateway"]}, "waiting", "server"),
    "a page in the robot's place": ("WeCom", {"answer": [200, "<html>Log in</html>"]}, "waiting", "server"),
    "a list in the robot's place": ("WeCom", {"answer": [200, []]}, "waiting", "server"),
    "a redirect": ("WeCom", {"answer": [302, ""]}, "waiting", "server"),
    "no such path": ("WeCom", {"answer": [404, "not found"]}, "refused", "address"),
    "a code that is a list": ("WeCom", {"answer": [200, {"errcode": []}]}, "waiting", "server"),
    "a page of brackets": ("WeCom", {"answer": [200, "[" * 20_000]}, "waiting", "server"),
    "a page that names the address": ("WeCom", {"answer": [502, "x" * 190 + TOKEN]}, "waiting", "server"),
    "words that name the address": ("WeCom", {"answer": [200, {"errcode": 88, "errmsg": "x" * 285 + TOKEN}]},
                                    "refused", "other"),
    "DingTalk: too fast, too": ("DingTalk", {"answer": [200, {"errcode": 410100, "errmsg": "slow down"}]}, "waiting",
                                "rate"),
    "DingTalk: robot is off": ("DingTalk", {"answer": [200, {"errcode": 400102, "errmsg": "off"}]}, "refused",
                               "address"),
    "Feishu: bad request": ("Feishu", {"answer": [200, {"code": 9499, "msg": "Bad Request"}]}, "refused", "content"),
    "no answer": ("WeCom", {"away": True}, "waiting", "network"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_not_sent_and_says_what_to_do(robots: RunningRobots, tmp_path: Path, case: str) -> None:
    kind, rules, state, advice = REFUSALS[case]
    robot, to = robot_at(robots, tmp_path, kind, f"secret={SECRET}" if "secret" in rules else "")
    robots.behave(**rules)
    outcome = robot.send(message(robot, to))
    assert (outcome.state, outcome.advice) == (state, advice)
    assert len(robots.seen()) == 1
    # Nor a part of it, cut off.
    assert TOKEN[:7] not in outcome.words
    assert advise(outcome.advice, outcome.clock, ENGLISH) != advise(outcome.advice, outcome.clock, CHINESE) != ""
    if advice == "clock":
        assert abs(outcome.clock) == pytest.approx(7200, abs=3)
        assert str(abs(outcome.clock)) in advise(outcome.advice, outcome.clock, ENGLISH)
    if "too fast" in case:
        assert outcome.pause >= (600 if kind == "DingTalk" else 60)


def test_a_robot_that_nobody_answers_for_is_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    to = target(tmp_path, f"http://127.0.0.1:{port}{PATHS['WeCom']}")
    outcome = robot_for(to).send(message(robot_for(to), to))
    assert (outcome.state, outcome.advice) == ("waiting", "network")
    assert "Connection refused" in outcome.words


@pytest.mark.parametrize("begin", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"])
def test_an_answer_that_never_ends_ends_at_a_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr("alert_inbox.fetch._WHOLE_ANSWER", 0.5)
    outcomes: list[Any] = []
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection = server.accept()[0]
            with connection, suppress(OSError):
                connection.sendall(begin)
                while not stopped.wait(0.05):
                    connection.sendall(b" ")

        to = target(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}{PATHS['WeCom']}")
        sender = threading.Thread(target=lambda: outcomes.append(robot_for(to).send(message(robot_for(to), to))))
        threads = [threading.Thread(target=drip), sender]
        for thread in threads:
            thread.start()
        sender.join(5)
        is_late = sender.is_alive()
        stopped.set()
        for thread in threads:
            thread.join()
    assert not is_late
    assert [(outcome.state, outcome.advice) for outcome in outcomes] == [("waiting", "network")]
    assert outcomes[0].words.startswith("TimeoutError")


def test_the_certificate_of_a_robot_is_checked(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            with suppress(OSError):
                context.wrap_socket(server.accept()[0], server_side=True).close()

        thread = threading.Thread(target=greet)
        thread.start()
        to = target(tmp_path, f"https://localhost:{server.getsockname()[1]}{PATHS['WeCom']}")
        outcome = robot_for(to).send(message(robot_for(to), to))
        thread.join()
    assert (outcome.state, outcome.advice) == ("waiting", "network")
    assert "CERTIFICATE_VERIFY_FAILED" in outcome.words


def test_a_keyword_is_in_the_text(robots: RunningRobots, tmp_path: Path) -> None:
    robots.behave(keyword="监控")
    for kind in ("DingTalk", "Feishu"):
        robot, to = robot_at(robots, tmp_path, kind, "keyword=监控")
        assert robot.send(message(robot, to)).state == "sent"


def many(count: int, name: str = "GTE_TaskStuck") -> list[Any]:
    """Alerts with long texts in Chinese, each of another task."""
    texts = {"summary_zh": "请求没有应答，" * 30, "description_zh": "🔥任务卡住" * 200}
    return [
        alert(labels={"alertname": name, "severity": "warning", "task_type": f"任务-{number}"}, annotations=texts)
        for number in range(count)
    ]


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("count", [1, 100])
def test_a_long_message_is_cut_to_the_limit_between_characters(
    robots: RunningRobots, tmp_path: Path, kind: str, count: int
) -> None:
    robot, to = robot_at(robots, tmp_path, kind, "at=" + ",".join(str(13800000000 + number) for number in range(20)))
    ended = alert("Ended", "resolved", labels={"alertname": "Ended", "severity": "critical", "task_type": "over"})
    sent = message(robot, to, ended, *many(count))
    assert robot.send(sent).state == "sent"
    (seen,) = robots.seen(kind)
    text = text_of(seen["body"])
    assert "\ufffd" not in text
    assert seen["size"] > {"DingTalk": 10_000, "Feishu": 10_000, "WeCom": 2_500}[kind] or count == 1
    # What fires comes first; what was left out is counted, with the way to it.
    assert text.index("任务-0") < (text.index("Ended") if "Ended" in text else len(text))
    if count == 100:
        told = text.count("告警中 GTE_TaskStuck")
        assert 1 < told < 100
        assert f"另有 {101 - told} 条告警" in text
    assert "http://127.0.0.1:5001" in text


def test_mentions_ring_for_critical_alerts_that_fire_and_for_no_other(robots: RunningRobots, tmp_path: Path) -> None:
    for kind, option in (("DingTalk", "at=13800000000,user1,all"), ("Feishu", "at=ou_1,all")):
        robot, to = robot_at(robots, tmp_path, kind, option)
        assert not message(robot, to, severity="warning").mention
        assert not message(
            robot, to, alert(status="resolved", labels={"alertname": "X", "severity": "critical"})
        ).mention
        assert robot.send(message(robot, to)).state == "sent"
    (dingtalk,), (feishu,) = robots.taken("DingTalk"), robots.taken("Feishu")
    assert "@13800000000 @user1 @all" in dingtalk["markdown"]["text"]
    assert dingtalk["at"] == {"atMobiles": ["13800000000"], "atUserIds": ["user1"], "isAtAll": True}
    lines = feishu["content"]["post"]["zh_cn"]["content"]
    assert lines[-1] == [{"tag": "at", "user_id": "ou_1"}, {"tag": "at", "user_id": "all"}]


def test_a_mention_of_wecom_is_a_text_of_its_own(robots: RunningRobots, tmp_path: Path) -> None:
    robot, _ = robot_at(robots, tmp_path, "WeCom", "at=13800000000,lisi,all")
    assert robot.send(Message("长" * 1000, (), mention=True, only_mention=True)).state == "sent"
    (body,) = robots.taken("WeCom")
    assert body["msgtype"] == "text"
    assert body["text"]["mentioned_list"] == ["lisi", "@all"]
    assert body["text"]["mentioned_mobile_list"] == ["13800000000"]
    assert 2_000 < len(body["text"]["content"].encode()) <= 2_048


def test_the_text_of_an_alert_mentions_nobody_and_hides_no_link(robots: RunningRobots, tmp_path: Path) -> None:
    evil = alert(annotations={"summary_zh": "<@all> [safe](http://evil.example) <at user_id=all></at>"})
    for kind in ("DingTalk", "WeCom"):
        robot, to = robot_at(robots, tmp_path, kind)
        robot.send(message(robot, to, evil))
        body = robots.taken(kind)[0]["markdown"]
        # The title is plain text.
        text = body.get("text") or body["content"]
        assert "<" not in text
        assert "](http://evil" not in text


# Through Apprise.


def test_a_bracket_in_an_address_ends_no_link(robots: RunningRobots, tmp_path: Path) -> None:
    evil = alert(annotations={"runbook_url": "http://wiki.example/A_(b)[safe](http://evil.example"})
    for kind in ("DingTalk", "WeCom"):
        robot, to = robot_at(robots, tmp_path, kind)
        robot.send(message(robot, to, evil))
        assert "](http://wiki.example/A_%28b%29[safe]%28http://evil.example)" in text_of(robots.taken(kind))


def test_slack_is_sent_and_its_refusal_is_seen(
    robots: RunningRobots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifySlack, "webhook_url", f"{robots.url}/services")
    monkeypatch.setattr(NotifySlack, "request_rate_per_sec", 0)
    to = target(tmp_path, f"https://hooks.slack.com/services/T00000000/B00000000/{'X' * 24} at=<!here>")
    robot = robot_for(to)
    assert robot.send(message(robot, to)).state == "sent"
    assert "GTE_TaskStuck" in text_of(robots.taken("Slack"))
    robots.behave(answer=[429, "rate_limited"])
    assert robot.send(message(robot, to)).state == "waiting"
    robots.behave(answer=[404, "no_service"])
    outcome = robot.send(message(robot, to))
    assert outcome.state == "refused"
    assert "X" * 24 not in outcome.words
    assert "404" in outcome.words


def test_the_text_of_an_alert_mentions_nobody_through_apprise(
    robots: RunningRobots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifySlack, "webhook_url", f"{robots.url}/services")
    to = target(tmp_path, f"https://hooks.slack.com/services/T00000000/B00000000/{'X' * 24} at=<!here>")
    called = "<!channel> <@U12345678> @everyone,x@here @bob"
    evil = alert(
        called, labels={"alertname": called, "severity": "critical"}, annotations={"summary": called + " a@b.c"}
    )
    robot = robot_for(to)
    assert robot.send(message(robot, to, evil)).state == "sent"
    text = text_of(robots.taken("Slack"))
    assert [call for call in ("<!channel", "<@U", "@everyone", "@here", "@bob") if call in text] == []
    assert "a@b.c" in text
    assert text.count("<!here>") == 1


def test_telegram_is_sent_and_its_refusal_is_seen(
    robots: RunningRobots, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotifyTelegram, "notify_url", f"{robots.url}/bot")
    monkeypatch.setattr(NotifyTelegram, "request_rate_per_sec", 0)
    to = target(tmp_path, f"tgram://123456789:{'A' * 35}/1234 language=zh")
    robot = robot_for(to)
    assert robot.send(message(robot, to)).state == "sent"
    assert "告警中" in text_of(robots.taken("Telegram"))
    assert robot.send(message(robot, to, *many(100))).state == "sent"
    assert "条告警" in text_of(robots.taken("Telegram")[1])
    robots.behave(answer=[429, {"ok": False, "error_code": 429, "description": "Too Many Requests"}])
    assert robot.send(message(robot, to)).state == "waiting"
    robots.behave(away=True)
    assert robot.send(message(robot, to)).state == "waiting"
    robots.behave(away=False, answer=None)
    to = target(tmp_path, f"tgram://123456789:{'B' * 35}/1234")
    outcome = robot_for(to).send(message(robot, to))
    assert outcome.state == "refused"
    assert "Unauthorized" in outcome.words
    assert "B" * 35 not in outcome.words


class Mailbox:
    """A mail server's rules."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.says = "250 OK"

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.says.startswith("250"):
            self.mails.append(envelope.content.decode())
        return self.says


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    port = free_port()
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


def test_mail_is_sent_and_its_refusal_is_seen(mailbox: tuple[Mailbox, int], tmp_path: Path) -> None:
    box, port = mailbox
    line = f"mailto://127.0.0.1:{port}/?from=inbox@example.com&to=oncall@example.com&mode=insecure"
    to = target(tmp_path, line)
    robot = robot_for(to)
    assert robot.send(message(robot, to)).state == "sent"
    assert "Subject: FIRING" in box.mails[0]
    box.says = "451 try again later"
    assert robot.send(message(robot, to)).state == "waiting"
    box.says = "550 no such user"
    outcome = robot.send(message(robot, to))
    assert outcome.state == "refused"
    assert "no such user" in outcome.words
