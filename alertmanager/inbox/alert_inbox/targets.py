"""Reads the file of chats and mailboxes, one line a target, and says what is wrong in which line."""

import errno
import hashlib
import logging
import re
import unicodedata
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote_plus, urlsplit

from alert_inbox.language import CHINESE, ENGLISH, WORDS, Words

DINGTALK: Final = "DingTalk"
FEISHU: Final = "Feishu"
WECOM: Final = "WeCom"
# A robot by the path of its address, whatever the host: it may stand behind a gateway of one's own.
_PATHS: Final = {
    DINGTALK: re.compile(r"/robot/send"),
    FEISHU: re.compile(r"/open-apis/bot/v2/hook/[^/]+"),
    WECOM: re.compile(r"/cgi-bin/webhook/send"),
}
_TOKENS: Final = {DINGTALK: "access_token", WECOM: "key"}
_VENDORS: Final = ("oapi.dingtalk.com", "open.feishu.cn", "open.larksuite.com", "qyapi.weixin.qq.com")
# Apprise's own senders for the three robots take a refusal for a success, or sign wrongly.
_ROBOT_SCHEMES: Final = ("dingtalk", "feishu", "lark", "wecombot")
_OPTIONS: Final = ("secret", "at", "from", "language", "keyword")
# What to do about a file that can't be read, in English and Chinese.
_CURES: Final = {
    errno.EACCES: ("chmod a+r, and a+x for its folder", "请执行 chmod a+r，并对所在目录执行 chmod a+x"),
    errno.EISDIR: ("put a text file in its place", "请换成文本文件"),
}
_LANGUAGES: Final = {words.tag: words for words in WORDS}

SEVERITIES: Final = ("info", "warning", "critical")
"""From the least to the greatest."""


@dataclass(frozen=True)
class Target:
    """Where messages go. Its `repr`, name and key hold no secret."""

    kind: str
    """DINGTALK, FEISHU, WECOM, or the scheme of an address of Apprise."""
    line: int
    address: "Secret"
    secret: "Secret"
    mention: tuple[str, ...]
    """Whom a critical alert calls; `all` is everybody."""
    least: str
    """The least severity that is sent."""
    words: Words
    keyword: str

    @property
    def key(self) -> str:
        """What the database knows it by: it stays the same when a line is moved or an option changed."""
        return hashlib.sha256(self.address.text.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """What people know it by."""
        return f"{self.kind} (line {self.line})"

    def wants(self, severity: str) -> bool:
        """Whether an alert of this severity is sent; one that is unknown counts as a warning, `none` as nothing."""
        if severity == "none":
            return False
        known = severity if severity in SEVERITIES else "warning"
        return SEVERITIES.index(known) >= SEVERITIES.index(self.least)

    def redact(self, text: str) -> str:
        """Return the text without any part of the address that may be a secret, and without the secret."""
        parts = urlsplit(self.address.text)
        if self.kind in _PATHS:
            found = {parts.path.rpartition("/")[2], *(pair.partition("=")[2] for pair in parts.query.split("&"))}
        else:
            whole = self.address.text.partition("://")[2]
            found = {*re.split(r"[^\w.%~-]+", whole.removeprefix(self.kind))}
        # As the address has it, and as it is meant.
        hidden = {part for text in found for part in (text, unquote_plus(text)) if len(part) > 3} - {"send"}
        hidden.add(self.secret.text)
        for part in sorted(hidden - {""}, key=len, reverse=True):
            text = text.replace(part, "•••")
        return text


@dataclass(frozen=True)
class Secret:
    """A text that must not be shown: its `repr` hides it."""

    text: str

    def __repr__(self) -> str:
        return "•••" if self.text else "''"


class Fault(str):
    """A fault of the file, in English, and in Chinese for the page; neither text holds a secret."""

    chinese: str

    def __new__(cls, english: str, chinese: str) -> "Fault":
        fault = super().__new__(cls, english)
        fault.chinese = chinese
        return fault


def _unreadable(path: Path | None, english: str, chinese: str) -> Fault:
    return Fault(f"{path} can't be read: {english}", f"无法读取 {path}：{chinese}")


def read_targets(path: Path | None) -> tuple[list[Target], list[Fault]]:
    """Return the targets of a file, and what is wrong with it.

    A faulty line is left out and the others are used. A missing file, or None, is no target and no fault.
    """
    try:
        text = path.read_text(encoding="utf-8-sig") if path else ""
    except FileNotFoundError:
        return [], []
    except UnicodeError:
        return [], [_unreadable(path, "it is not UTF-8; save it as UTF-8", "不是 UTF-8 编码，请另存为 UTF-8")]
    except OSError as error:
        cure, chinese = _CURES.get(error.errno or 0, ("check its disk", "请检查磁盘"))
        return [], [_unreadable(path, f"{error.strerror}; {cure}", f"{error.strerror}；{chinese}")]
    targets: list[Target] = []
    faults: list[Fault] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                target = _target(line.split(), number)
                if any(target.key == other.key for other in targets):
                    raise _LineError(
                        "this address stands in a line above already; take one of the two out",
                        "这个地址与前面某一行重复，请删除其中一行",
                    )
                targets.append(target)
            except _LineError as error:
                english, chinese = error.args
                faults.append(Fault(f"{path} line {number}: {english}", f"{path} 第 {number} 行：{chinese}"))
    return targets, faults


class _LineError(Exception):
    """A fault of a line: which, and what to write, in English and in Chinese."""

    def __init__(self, english: str, chinese: str) -> None:
        super().__init__(english, chinese)


def _target(parts: list[str], line: int) -> Target:
    address, *words = parts
    for place, word in enumerate(parts, start=1):
        if not word.startswith("keyword=") and any(unicodedata.category(character) == "Cf" for character in word):
            raise _LineError(
                f"word {place} has a character that can't be seen; delete the word and type it anew",
                f"第 {place} 项含有不可见的字符；请删除后重新输入",
            )
    options: dict[str, str] = {}
    for place, word in enumerate(words, start=2):
        name, equals, value = word.partition("=")
        # A word that is no option may be a secret that lost its name.
        if not equals or name not in _OPTIONS:
            raise _LineError(
                f"word {place} is no option; write name=value, where name is one of {', '.join(_OPTIONS)}",
                f"第 {place} 项不是选项；请写成 name=value，name 可为 {'、'.join(_OPTIONS)}",
            )
        if name in options or not value:
            raise _LineError(
                f"{name}= {'is given twice' if value else 'is empty'}; give it once, with a value",
                f"{name}= {'重复' if value else '为空'}；请只写一次，并填写值",
            )
        options[name] = value
    kind = _kind(address)
    is_robot = kind in _PATHS
    secret = options.get("secret", "")
    if not secret.isascii() or secret[:1] in ("'", '"'):
        raise _LineError(
            "secret= has quotes or letters that no secret has; copy it from the robot's page as it is",
            "secret= 含有引号或密钥中不会出现的字符；请从机器人页面原样复制",
        )
    if "secret" in options and kind not in (DINGTALK, FEISHU):
        raise _LineError(
            f"{kind} has no secret=; its address is all it needs. Take secret= out",
            f"{kind} 没有 secret=，只需要地址；请删除 secret=",
        )
    if "keyword" in options and kind not in (DINGTALK, FEISHU):
        raise _LineError(f"{kind} has no keyword=; take it out", f"{kind} 没有 keyword=，请删除")
    least = options.get("from", "warning")
    if least not in SEVERITIES[1:]:
        raise _LineError("from= must be warning or critical", "from= 应为 warning 或 critical")
    language = options.get("language", (CHINESE if is_robot else ENGLISH).tag)
    if language not in _LANGUAGES:
        names = [*_LANGUAGES]
        raise _LineError(f"language= must be {' or '.join(names)}", f"language= 应为 {' 或 '.join(names)}")
    return Target(
        kind=kind,
        line=line,
        address=Secret(address),
        secret=Secret(secret),
        mention=_mention(options.get("at", ""), is_robot),
        least=least,
        words=_LANGUAGES[language],
        keyword=options.get("keyword", ""),
    )


def _mention(value: str, is_robot: bool) -> tuple[str, ...]:
    # With the comma of a Chinese keyboard, and with the `@` that a chat shows before a name, it means the same.
    names = re.split("[,，、]", value)
    return tuple(filter(None, (name.removeprefix("@") for name in names) if is_robot else names))


def _kind(address: str) -> str:
    """Return what an address leads to; Apprise must know it if it is none of the three robots."""
    scheme = address.partition("://")[0].lower()
    if not re.fullmatch(r"[a-z0-9]+", scheme) or "://" not in address:
        raise _LineError(
            "it must begin with an address such as https://…; copy it from the robot's page",
            "应以 https://… 这样的地址开头，请从机器人页面复制",
        )
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        if scheme in ("http", "https"):
            # This too fails if it can't be read.
            _ = parts.port
    except ValueError as error:
        raise _LineError(
            "the address can't be read; copy it from the robot's page", "地址无法解析，请从机器人页面复制"
        ) from error
    if scheme in ("http", "https"):
        for kind, path in _PATHS.items():
            if path.fullmatch(parts.path):
                _check_robot(kind, address, parts)
                return kind
        if host in _VENDORS:
            raise _LineError(
                f"this is no address of a robot at {host}; copy the one that the robot's page shows",
                f"这不是 {host} 的机器人地址，请复制机器人页面显示的地址",
            )
    if scheme in _ROBOT_SCHEMES:
        raise _LineError(
            f"{scheme}:// is Apprise's form; paste the https:// address of the robot's page instead",
            f"{scheme}:// 是 Apprise 的写法，请改为粘贴机器人页面的 https:// 地址",
        )
    try:
        is_known = bool(apprise_for(address))
    except Exception:  # noqa: BLE001 - a hundred readers of addresses by others; none may end the inbox
        is_known = False
    if not is_known:
        raise _LineError(
            "this is neither the address of a DingTalk, Feishu or WeCom robot nor one that Apprise understands; "
            "https://appriseit.com/services/ shows the form for each service",
            "既不是钉钉、飞书、企业微信机器人的地址，也不是 Apprise 能识别的地址；"
            "各服务的写法见 https://appriseit.com/services/",
        )
    return host if scheme in ("http", "https") else scheme


def _check_robot(kind: str, address: str, parts: SplitResult) -> None:
    token = _TOKENS.get(kind)
    if token and not parse_qs(parts.query).get(token):
        raise _LineError(
            f"the address of a {kind} robot has {token}=…; copy the whole address",
            f"{kind} 机器人的地址应含有 {token}=…，请复制完整的地址",
        )
    if "@" in parts.netloc or parts.fragment or not address.isascii():
        raise _LineError(
            f"the address of a {kind} robot has no @, no # and only letters of ASCII; copy it from the robot's page",
            f"{kind} 机器人的地址不含 @ 和 #，且只有 ASCII 字符；请从机器人页面复制",
        )
    if parts.hostname in _VENDORS and parts.scheme != "https":
        raise _LineError("the address must begin with https://", "地址应以 https:// 开头")


def apprise_for(address: str) -> Any:
    """Return the Apprise that sends to an address; it is false if Apprise doesn't understand the address."""
    with warnings.catch_warnings():
        # It looks at all its hundred senders, some of which import what Python will drop.
        warnings.simplefilter("ignore")
        from apprise import Apprise, AppriseAsset, PersistentStoreMode  # noqa: PLC0415 - 30 MB that few inboxes need

        # Its log names addresses; ours says what happened.
        log = logging.getLogger("apprise")
        log.propagate = False
        log.setLevel(logging.DEBUG)
        log.handlers = [logging.NullHandler()]
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        apprise = Apprise(asset=AppriseAsset(async_mode=False, storage_mode=PersistentStoreMode.MEMORY))
        apprise.add(address)
        return apprise
