"""A program that plays the robots of DingTalk, Feishu, WeCom, Slack and Telegram, by the rules that their vendors give.

It knows nothing of the inbox. `python fake_robots.py [ADDRESS]` prints its port, which it chooses itself on this host
and is 8080 on another address; `PUT /control` with a JSON object changes how it behaves, and `GET /control` returns
every message that it has taken or refused.
"""

import base64
import hashlib
import hmac
import json
import sys
import threading
import time
from contextlib import suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

lock = threading.Lock()
seen: list[dict[str, Any]] = []
banned_until = 0.0
rules: dict[str, Any] = {
    "token": "token-of-the-robot",
    "secret": "",
    "keyword": "",
    "clock": 0,  # seconds that the robot's clock is ahead of the host's
    "away": False,  # connections are closed without an answer
    "answer": None,  # [status, body]: what it says instead of anything else
    "per_minute": {"dingtalk": 20, "wecom": 20, "feishu": 100},
    "delay": 0.0,
}


def now() -> float:
    return time.time() + float(rules["clock"])


def arrivals(kind: str, seconds: float) -> int:
    """How many messages have arrived within the last seconds, this one not counted."""
    return sum(one["kind"] == kind and time.time() - one["at"] < seconds for one in seen)


def signed(key: str, message: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()).decode()


def dingtalk(query: dict[str, list[str]], raw: bytes, body: Any) -> dict[str, Any]:  # noqa: PLR0911 - a rule each
    global banned_until  # noqa: PLW0603 - the state of this program
    first = {name: values[0] for name, values in query.items()}
    if first.get("access_token") != rules["token"]:
        return {"errcode": 300001, "errmsg": "token is not exist"}
    if time.time() < banned_until or arrivals("dingtalk", 60) >= rules["per_minute"]["dingtalk"]:
        banned_until = max(banned_until, time.time() + 600)
        return {"errcode": 130101, "errmsg": "send too fast, exceed 20 times per minute"}
    if rules["secret"]:
        sent = first.get("timestamp", "0")
        if abs(now() * 1000 - int(sent)) > 3_600_000:
            return {"errcode": 310000, "errmsg": "invalid timestamp"}
        # parse_qs has decoded it once, as the vendor does.
        if first.get("sign") != signed(rules["secret"], f"{sent}\n{rules['secret']}"):
            return {"errcode": 310000, "errmsg": "sign not match"}
    if len(raw) > 20_000:
        return {"errcode": 460101, "errmsg": "message too long, exceed 20000 bytes"}
    content = body[body["msgtype"]]
    if rules["keyword"] not in content.get("text", content.get("content", "")):
        return {"errcode": 310000, "errmsg": "keywords not in content"}
    return {"errcode": 0, "errmsg": "ok"}


def feishu(token: str, raw: bytes, body: Any) -> dict[str, Any]:  # noqa: PLR0911 - a rule each
    if token != rules["token"]:
        return {"code": 19001, "msg": "param invalid: incoming webhook access token invalid"}
    if arrivals("feishu", 60) >= rules["per_minute"]["feishu"] or arrivals("feishu", 1) >= 5:
        return {"code": 9499, "msg": "too many request"}
    if rules["secret"]:
        sent = body.get("timestamp", "0")
        right = signed(f"{sent}\n{rules['secret']}", "")
        if abs(now() - int(sent)) > 3600 or body.get("sign") != right:
            return {
                "code": 19021,
                "msg": "sign match fail or timestamp is not within one hour from current time",
            }
    if len(raw) > 20 * 1024:
        return {"code": 11246, "msg": "message too large"}
    if body["msg_type"] != "post":
        return {"code": 19002, "msg": "params error, msg_type need"}
    if rules["keyword"] not in json.dumps(body["content"], ensure_ascii=False):
        return {"code": 19024, "msg": "Key Words Not Found"}
    return {"code": 0, "msg": "success", "data": {}, "StatusCode": 0, "StatusMessage": "success"}


def wecom(query: dict[str, list[str]], body: Any) -> dict[str, Any]:
    if query.get("key") != [rules["token"]]:
        return {"errcode": 93000, "errmsg": "invalid webhook url, hint: [1], from ip: 127.0.0.1"}
    if arrivals("wecom", 60) >= rules["per_minute"]["wecom"]:
        return {"errcode": 45009, "errmsg": "api freq out of limit"}
    kind = body["msgtype"]
    if kind not in ("text", "markdown") or len(body[kind]["content"].encode()) > {"text": 2048, "markdown": 4096}[kind]:
        return {"errcode": 40058, "errmsg": f"{kind}.content exceed max length"}
    return {"errcode": 0, "errmsg": "ok"}


def answer(path: str, raw: bytes) -> tuple[str, int, Any]:  # noqa: PLR0911 - a rule each
    """Return who was asked, the status and the body."""
    parts = urlsplit(path)
    query, words = parse_qs(parts.query), parts.path.strip("/").split("/")
    body = json.loads(raw or b"{}") if raw[:1] in (b"{", b"") else {"form": raw.decode()}
    if parts.path == "/robot/send":
        return "dingtalk", 200, dingtalk(query, raw, body)
    if parts.path.startswith("/open-apis/bot/v2/hook/"):
        return "feishu", 200, feishu(words[-1], raw, body)
    if parts.path == "/cgi-bin/webhook/send":
        return "wecom", 200, wecom(query, body)
    if words[0] == "services":
        return "slack", *((200, "ok") if words[-1] == "X" * 24 else (404, "no_service"))
    if words[0].startswith("bot") and words[-1] == "sendMessage":
        if words[0] != "bot123456789:" + "A" * 35:
            return "telegram", 401, {"ok": False, "error_code": 401, "description": "Unauthorized"}
        return "telegram", 200, {"ok": True, "result": {"message_id": 1}}
    return "nobody", 404, {"ok": False, "error_code": 404, "description": "Not Found"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def date_time_string(self, timestamp: float | None = None) -> str:
        return formatdate(now() if timestamp is None else timestamp, usegmt=True)

    def do_PUT(self) -> None:
        with lock:
            rules.update(json.loads(self._read()))
            # As if so many seconds had passed.
            age = rules.pop("age", 0)
            for one in seen:
                one["at"] -= age
        self._say(200, {})

    def do_GET(self) -> None:
        if self.path == "/control":
            with lock:
                self._say(200, seen)
            return
        # A heartbeat.
        with lock:
            seen.append({"at": time.time(), "kind": "heartbeat", "taken": True, "body": self.path})
        self._say(200, "OK")

    def do_POST(self) -> None:
        raw = self._read()
        with lock:
            kind, status, said = answer(self.path, raw)
            if rules["answer"]:
                status, said = rules["answer"]
            codes = [said.get(name) for name in ("errcode", "code")] if isinstance(said, dict) else []
            taken = status == 200 and (said == "ok" or 0 in codes or "result" in said)
            body = json.loads(raw) if raw[:1] == b"{" else raw.decode()
            entry = {"at": time.time(), "kind": kind, "taken": taken and not rules["away"], "said": said}
            seen.append({**entry, "body": body, "size": len(raw)})
            away, delay = rules["away"], rules["delay"]
        time.sleep(delay)
        if away:
            self.close_connection = True
            return
        self._say(status, said)

    def _read(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _say(self, status: int, body: Any) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        # The client may be killed meanwhile.
        with suppress(BrokenPipeError):
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer((sys.argv[1], 8080) if len(sys.argv) > 1 else ("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()
