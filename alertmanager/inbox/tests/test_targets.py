"""The file of targets: an address as its page shows it is enough, and a fault names its line and no secret."""

import re
from pathlib import Path

import pytest

from alert_inbox.targets import DINGTALK, FEISHU, WECOM, Fault, Target, read_targets

SLACK = f"https://hooks.slack.com/services/T00000000/B00000000/{'X' * 24}"
TELEGRAM = f"tgram://123456789:{'A' * 35}/1234"


def read(folder: Path, text: str) -> tuple[list[Target], list[Fault]]:
    file = folder / "targets.txt"
    file.write_text(text, encoding="utf-8")
    return read_targets(file)


@pytest.mark.parametrize(
    ("address", "kind", "language"),
    [
        ("https://oapi.dingtalk.com/robot/send?access_token=abc", DINGTALK, "zh"),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/0b1c-2d", FEISHU, "zh"),
        ("https://open.larksuite.com/open-apis/bot/v2/hook/0b1c-2d", FEISHU, "zh"),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a", WECOM, "zh"),
        (SLACK, "hooks.slack.com", "en"),
        (TELEGRAM, "tgram", "en"),
        ("mailto://user:word@example.com?smtp=mail.example.com", "mailto", "en"),
        ("bark://api.day.app/devicekey", "bark", "en"),
        ("schan://SCT123456789", "schan", "en"),
    ],
)
def test_an_address_is_all_that_a_line_needs(tmp_path: Path, address: str, kind: str, language: str) -> None:
    (target,), faults = read(tmp_path, f"\ufeff# my chat\n\n  {address}  \n")
    assert faults == []
    assert (target.kind, target.line, target.words.tag, target.mention) == (kind, 3, language, ())
    assert [severity for severity in ("critical", "warning", "info", "none", "", "page") if target.wants(severity)] == [
        "critical",
        "warning",
        "",
        "page",
    ]


def test_options_stand_behind_the_address_in_any_order(tmp_path: Path) -> None:
    address = "https://oapi.dingtalk.com/robot/send?access_token=abc"
    (target,), _ = read(tmp_path, f"{address} keyword=告警 at=13800000000,user1 from=critical language=en secret=SEC1")
    assert (target.keyword, target.mention, target.words.tag) == ("告警", ("13800000000", "user1"), "en")
    assert target.secret.text == "SEC1"
    assert not target.wants("warning")
    (other,), _ = read(tmp_path, f"# moved\n{address}")
    assert other.key == target.key


@pytest.mark.parametrize("written", ["all,13800000000", "@all，@13800000000", "all、13800000000,"])
def test_people_may_be_written_as_a_chat_and_a_chinese_keyboard_write_them(tmp_path: Path, written: str) -> None:
    (target,), _ = read(tmp_path, f"https://oapi.dingtalk.com/robot/send?access_token=abc at={written}")
    assert target.mention == ("all", "13800000000")
    (other,), _ = read(tmp_path, f"{TELEGRAM} at=@bob")
    assert other.mention == ("@bob",)


WRONG = {
    "SEC0123456789": "it must begin with an address such as https://",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t SEC0123456789": "word 2 is no option; write name=value",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t key=s3cr3t": "word 2 is no option",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t secret=": "secret= is empty",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t at=1 at=2": "at= is given twice",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t from=info": "from= must be warning or critical",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t language=de": "language= must be en or zh",
    "https://oapi.dingtalk.com/robot/send?key=s3cr3t": "has access_token=…; copy the whole address",
    "http://oapi.dingtalk.com/robot/send?access_token=s3cr3t": "must begin with https://",
    "https://open.feishu.cn/s3cr3t": "no address of a robot at open.feishu.cn",
    "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=s3cr3t secret=s3cr3t": "WeCom has no secret=",
    "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=s3cr3t keyword=x": "WeCom has no keyword=",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t\u200b": "word 1 has a character that can't be seen",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t secret=\ufeffs3cr3t": "word 2 has a character that can't",
    'https://oapi.dingtalk.com/robot/send?access_token=s3cr3t secret="s3cr3t"': "secret= has quotes",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t secret=“s3cr3t”": "secret= has quotes or letters",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t－1": "only letters of ASCII",
    "https://oapi.dingtalk.com/robot/send?access_token=s3cr3t#s3cr3t": "has no @, no #",
    "https://user:s3cr3t@gateway.example/robot/send?access_token=s3cr3t": "has no @, no #",
    "https://oapi.dingtalk.com:s3cr3t/robot/send?access_token=s3cr3t": "the address can't be read",
    "https://[s3cr3t/robot/send": "the address can't be read",
    "https://example.com/s3cr3t": "nor one that Apprise understands",
    "nothing://s3cr3t": "nor one that Apprise understands",
    "tgram://s3cr3t": "nor one that Apprise understands",
    "dingtalk://s3cr3t": "paste the https:// address of the robot's page instead",
    "wecombot://s3cr3t": "paste the https:// address of the robot's page instead",
}


@pytest.mark.parametrize("line", WRONG)
def test_a_fault_names_file_line_and_cure_and_no_secret(
    tmp_path: Path, line: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    targets, (fault,) = read(tmp_path, f"# robots\n{line}\n{SLACK}\n")
    assert fault.startswith(f"{tmp_path / 'targets.txt'} line 2: ")
    assert WRONG[line] in fault
    where, chinese = fault.chinese.split(" 第 2 行：")
    assert where == str(tmp_path / "targets.txt")
    assert re.search(r"[\u4e00-\u9fff]{2}", chinese)
    # The other lines count.
    assert [target.line for target in targets] == [3]
    shown = fault + fault.chinese + caplog.text + "".join(capfd.readouterr())
    assert "s3cr3t" not in shown
    assert "0123456789" not in shown


def test_an_address_that_stands_there_twice_is_a_fault(tmp_path: Path) -> None:
    targets, (fault,) = read(tmp_path, f"{SLACK}\n{SLACK} from=critical\n")
    assert len(targets) == 1
    assert "line 2: this address stands in a line above already" in fault


def test_a_missing_file_is_nobody_and_one_that_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    assert read_targets(None) == ([], [])
    assert read_targets(tmp_path / "targets.txt") == ([], [])
    assert read_targets(tmp_path)[1][0].endswith("Is a directory; put a text file in its place")
    (tmp_path / "gbk.txt").write_bytes("# 告警".encode("gbk"))
    assert "it is not UTF-8" in read_targets(tmp_path / "gbk.txt")[1][0]


@pytest.mark.parametrize(
    ("address", "secrets"),
    [
        ("https://oapi.dingtalk.com/robot/send?access_token=s3cr3t-1 secret=s3cr3t-2", ["s3cr3t-1", "s3cr3t-2"]),
        ("https://open.feishu.cn/open-apis/bot/v2/hook/s3cr3t-1", ["s3cr3t-1"]),
        (SLACK, ["X" * 24, "B00000000"]),
        (TELEGRAM, ["A" * 35]),
        ("mailto://user:s3cr3t-1@example.com", ["s3cr3t-1"]),
        ("mailto://user:s3cr%40t-1@example.com", ["s3cr%40t-1", "s3cr@t-1"]),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?debug=x&key=s3cr%2Bt-1", ["s3cr%2Bt-1", "s3cr+t-1"]),
    ],
)
def test_what_is_shown_of_a_target_holds_no_secret(tmp_path: Path, address: str, secrets: list[str]) -> None:
    (target,), _ = read(tmp_path, address)
    shown = f"{target!r} {target.name} {target.key} {target.redact(f'failed: {address} ' + ' '.join(secrets))}"
    assert [secret for secret in secrets if secret in shown] == []
    assert "failed: " in shown


def test_an_address_on_which_apprise_breaks_is_a_fault_of_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_down(*_: object) -> bool:
        raise RuntimeError("s3cr3t")

    monkeypatch.setattr("apprise.Apprise.add", break_down)
    targets, (fault,) = read(tmp_path, f"{TELEGRAM}\nhttps://oapi.dingtalk.com/robot/send?access_token=abc\n")
    assert [target.kind for target in targets] == [DINGTALK]
    assert "line 1: this is neither" in fault
    assert "s3cr3t" not in fault
