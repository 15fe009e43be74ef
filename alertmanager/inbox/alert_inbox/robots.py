"""Sends to the robots of DingTalk, Feishu/Lark and WeCom, and through Apprise; reads what they answer.

The three robots refuse with HTTP 200 and a code in the body, so only their own code 0 counts as sent.
"""

import base64
import hashlib
import hmac
import json
import logging
import re
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException, HTTPMessage
from typing import Any, Final
from urllib.parse import quote_plus

from alert_inbox.fetch import fetch
from alert_inbox.targets import DINGTALK, FEISHU, WECOM, Target, apprise_for
from alert_inbox.wording import Block, Message, cut

# DingTalk and Feishu take a signature for an hour.
_SIGNATURE_SECONDS: Final = 3600

# What a repeat may mend, by code: too fast (DingTalk 130101 and 410100, WeCom 45009, Feishu 11232 and 9499), busy (-1).
_REPEAT: Final[dict[Any, str]] = {
    130101: "rate",
    410100: "rate",
    45009: "rate",
    11232: "rate",
    9499: "rate",
    -1: "server",
}
# The advice by code is in advice.py. DingTalk's 310000 and Feishu's 9499 are told apart by their text.
_REFUSED: Final[dict[Any, str]] = {
    300001: "address", 400013: "address", 400101: "address", 400102: "address", 400106: "address", 19001: "address",
    93000: "address", 19021: "signature", 19022: "ip", 19024: "keyword", 40058: "content", 45002: "content",
    430101: "content", 430102: "content", 430103: "content", 430104: "content", 460101: "content", 9499: "content",
}  # fmt: skip
_310000: Final = (("keyword", "keyword"), ("关键词", "keyword"), ("whitelist", "ip"), ("白名单", "ip"))
# What Apprise's log tells of a server's own words; what is final in it: HTTP 4xx but for 408 and 429, SMTP 5xx.
_SAID: Final = re.compile(r"(Socket|I/O) Exception: |Response Details:").match
_FINAL: Final = re.compile(r"error=4(?!08|29)\d\d|\(5\d\d,")
_MENTION: Final = re.compile(r"@(?=everyone|here|channel|all)|(?<!\w)@(?=\w)|!(?=\w)")
# DingTalk refuses for ten minutes once a robot was too fast.
_BAN: Final = 600.0


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        state: `sent`, `waiting` (to be repeated) or `refused` (no repeat will mend it).
        words: the robot's own, without secrets.
        advice: a name in advice.py; empty if sent.
        clock: how many seconds this host's clock is behind the robot's.
        pause: how long to wait before the next attempt, in seconds; 0: as usual.
    """

    state: str
    words: str = ""
    advice: str = ""
    clock: int = 0
    pause: float = 0


SENT: Final = Outcome("sent")


class Robot(ABC):
    """Sends messages to one target. It is used by one thread."""

    # The vendors' rules: so many messages in so many seconds. A minute is taken for 70 s, because the robot counts when
    # a message arrives, and we when it leaves. Four in 5 s are a limit of our own: of a thousand notifications at once
    # the first twenty would use up the minute, and the rest come late.
    limits: tuple[tuple[int, float], ...] = ((20, 70.0), (4, 5.0))
    budget: int
    """The bytes that the blocks of a message may have, by `size`."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @abstractmethod
    def size(self, block: Block) -> int:
        """Return the bytes that a block needs in a message."""

    @abstractmethod
    def send(self, message: Message) -> Outcome:
        """Send a message, and return how that ended."""

    @property
    def _keyword(self) -> str:
        return self._target.keyword


class _WebhookRobot(Robot):
    """A robot that takes JSON by POST and answers with a code."""

    def send(self, message: Message) -> Outcome:
        try:
            return self._read(*_post(self._address(), self._body(message)))
        except (OSError, HTTPException, ValueError) as error:
            why = error.reason if isinstance(error, urllib.error.URLError) else error
            return Outcome("waiting", self._target.redact(f"{type(why).__name__}: {why}"), "network")

    def _address(self) -> str:
        return self._target.address.text

    @abstractmethod
    def _body(self, message: Message) -> dict[str, Any]: ...

    def size(self, block: Block) -> int:
        return len(_json(self._shown(block)))

    @abstractmethod
    def _shown(self, block: Block) -> Any:
        """The part of the body that a block becomes."""

    def _read(self, status: int, headers: HTTPMessage, data: bytes) -> Outcome:
        clock = _clock(headers)
        code = None
        with suppress(ValueError, TypeError, StopIteration, RecursionError):
            answer = json.loads(data)
            code = next(answer[name] for name in ("errcode", "code", "StatusCode") if name in answer)
        if not isinstance(code, int | str):
            # Cut only afterwards: a part of a secret is one too.
            text = self._target.redact(data.decode("utf-8", "replace"))[:200]
            # A proxy or a portal answers in the robot's place; a wrong path gets 404.
            state = "refused" if 400 <= status < 500 and status not in (408, 429) else "waiting"
            return Outcome(state, f"HTTP {status}: {text}", "address" if state == "refused" else "server", clock)
        words = self._target.redact(f"{code}: {answer.get('errmsg') or answer.get('msg') or ''}")[:300]
        # Not `== 0` alone: False is no code.
        if type(code) is int and code == 0 and status == 200:
            return SENT
        is_bad_request = code == 9499 and "many" not in words
        if (code in _REPEAT and not is_bad_request) or status >= 500 or status == 429:
            advice = _REPEAT.get(code, "server")
            pause = _BAN if code in (130101, 410100) else 60.0 * (advice == "rate")
            return Outcome("waiting", words, advice, clock, pause)
        advice = _REFUSED.get(code, "other")
        if code == 310000:
            advice = next((name for part, name in _310000 if part in words.lower()), "signature")
        if advice == "signature" and abs(clock) >= _SIGNATURE_SECONDS - 60:
            advice = "clock"
        return Outcome("refused", words, advice, clock)


class DingTalk(_WebhookRobot):
    """A DingTalk robot: Markdown, whose title is what a lock screen shows."""

    # 20,000 bytes of JSON, less what goes around the blocks.
    budget = 20_000 - 2_500

    def _address(self) -> str:
        address, secret = super()._address(), self._target.secret.text
        if not secret:
            return address
        now = round(time.time() * 1000)
        sign = _base64_hmac(secret, f"{now}\n{secret}")
        return f"{address}&timestamp={now}&sign={quote_plus(sign)}"

    def _body(self, message: Message) -> dict[str, Any]:
        mention = self._target.mention if message.mention else ()
        numbers = [name for name in mention if name.lstrip("+-").replace("-", "").isdigit()]
        text = "\n\n".join(self._shown(block) for block in message.blocks)
        if len(message.blocks) > 1:
            text = f"### {_plain(message.title)}\n\n{text}"
        if mention:
            # It rings only for those who are named in the text as well as in the list.
            text += "\n\n" + " ".join(f"@{name}" for name in mention)
        text, title = _with(self._keyword, text), _with(self._keyword, message.title)
        return {
            "msgtype": "markdown",
            "markdown": {"title": title, "text": text},
            "at": {
                "atMobiles": numbers,
                "atUserIds": [name for name in mention if name not in numbers and name != "all"],
                "isAtAll": "all" in mention,
            },
        }

    def _shown(self, block: Block) -> str:
        return _markdown(block, "\n\n") + "\n\n---"


class Feishu(_WebhookRobot):
    """A Feishu or Lark robot: a post, whose texts are never taken for markup."""

    limits = ((100, 70.0), (5, 2.0))
    budget = 20_000 - 2_500

    def _body(self, message: Message) -> dict[str, Any]:
        lines = [line for block in message.blocks for line in self._shown(block)]
        if message.mention:
            lines.append([{"tag": "at", "user_id": name} for name in self._target.mention])
        title = _with(self._keyword, message.title)
        body = {
            "msg_type": "post",
            "content": {"post": {self._language: {"title": title, "content": lines}}},
        }
        if secret := self._target.secret.text:
            now = str(round(time.time()))
            return {"timestamp": now, "sign": _base64_hmac(f"{now}\n{secret}", ""), **body}
        return body

    @property
    def _language(self) -> str:
        return {"zh": "zh_cn", "en": "en_us"}[self._target.words.tag]

    def _shown(self, block: Block) -> list[list[dict[str, str]]]:
        lines = [[{"tag": "text", "text": line}] for line in block.lines]
        links = [{"tag": "a", "text": f"{label} ", "href": address} for label, address in block.links]
        return [*lines, links, [{"tag": "text", "text": "—"}]] if links else [*lines, [{"tag": "text", "text": "—"}]]


class WeCom(_WebhookRobot):
    """A WeCom robot: Markdown of at most 4,096 bytes; mentions go in a text of their own."""

    budget = 4_096 - 900

    def _body(self, message: Message) -> dict[str, Any]:
        if message.only_mention:
            numbers = [name for name in self._target.mention if name.isdigit()]
            others = [("@all" if name == "all" else name) for name in self._target.mention if name not in numbers]
            text: dict[str, Any] = {
                "content": cut(message.title, 2_048),
                "mentioned_list": others,
                "mentioned_mobile_list": numbers,
            }
            return {"msgtype": "text", "text": text}
        content = "\n".join([f"**{_plain(message.title)}**", *(self._shown(block) for block in message.blocks)])
        return {"msgtype": "markdown", "markdown": {"content": content}}

    def size(self, block: Block) -> int:
        return len(self._shown(block).encode()) + 1

    def _shown(self, block: Block) -> str:
        return "\n" + _markdown(block, "\n")


class Through(Robot):
    """Any other service, through Apprise."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._apprise = apprise_for(target.address.text)
        self._is_slack = {service.service_name for service in self._apprise} == {"Slack"}
        # In characters there; bytes are never fewer.
        self.budget = min(20_000, *(service.body_maxlen * 3 // 4 for service in self._apprise))

    def size(self, block: Block) -> int:
        return len(self._shown(block).encode())

    def send(self, message: Message) -> Outcome:
        body = "".join(self._shown(block) for block in message.blocks)
        # Apprise quotes a plain text for Slack, in which `<!here>` would then call nobody.
        body_format = None if message.mention and self._is_slack else "text"
        if message.mention:
            body += " ".join(self._target.mention)
        try:
            result = self._apprise.notify(
                body=body,
                title=_unmentioned(message.title),
                body_format=body_format,
                timeout=60,
                log_level=logging.DEBUG,
            )
            said = [
                entry.message for entry in result.logs() if entry.level in ("WARNING", "ERROR") or _SAID(entry.message)
            ]
        except Exception as error:  # noqa: BLE001 - a hundred services of others; none may end this thread
            return Outcome("waiting", self._target.redact(f"{type(error).__name__}: {error}"), "network")
        if result:
            return SENT
        words = self._target.redact(" ".join(" ".join(said).split()))[:300]
        is_final = _FINAL.search(words)
        return Outcome("refused", words, "other") if is_final else Outcome("waiting", words, "network")

    def _shown(self, block: Block) -> str:
        links = (f"{label}: {address}" for label, address in block.links)
        return "\n".join([*map(_unmentioned, block.lines), *links, "", ""])


def robot_for(target: Target) -> Robot:
    """Return the robot of a target."""
    robots: dict[str, type[Robot]] = {DINGTALK: DingTalk, FEISHU: Feishu, WECOM: WeCom}
    return robots.get(target.kind, Through)(target)


def _markdown(block: Block, line_break: str) -> str:
    first, *rest = map(_plain, block.lines)
    # A bracket would end the link, and begin another one.
    links = " · ".join(
        f"[{label}]({address.replace('(', '%28').replace(')', '%29')})" for label, address in block.links
    )
    return line_break.join(filter(None, [f"**{first}**", *rest, links]))


def _plain(text: str) -> str:
    # An alert's text must neither mention anybody (`<@user>`) nor hide a link.
    return text.replace("<", "＜").replace("](", "]\u200b(")


def _unmentioned(text: str) -> str:
    # Slack's `<!channel>`, which Apprise makes of `!channel>` too; `@everyone` of Discord, which rings wherever it
    # stands; and `@user`. A mail address stays as it is.
    return _MENTION.sub("\\g<0>\u200b", text.replace("<", "＜"))


def _with(keyword: str, text: str) -> str:
    return text if keyword in text else f"{text} {keyword}"


def _base64_hmac(key: str, message: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()).decode()


def _json(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def _post(address: str, body: dict[str, Any]) -> tuple[int, HTTPMessage, bytes]:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    return fetch(urllib.request.Request(address, _json(body), headers))  # noqa: S310 - targets.py takes http(s) only


def _clock(headers: HTTPMessage) -> int:
    """Return how many seconds this host's clock is behind the one that made the answer; 0 if it doesn't say."""
    try:
        return round(parsedate_to_datetime(headers["Date"]).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return 0
