"""Whatever a client sends, it is told what is wrong in one shape, and never that the service has failed."""

from __future__ import annotations

import copy
import gzip
import http.client
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from conftest import Service
from gte_service.tasks.registry import TASKS

SEED = 20261122
INPUTS = 10_000
CLIENTS = 8
JSON = "application/json"

ODD_TEXTS = [
    "", " ", "\t\n", "\0", "\u200b", "\ufeff", "\ud800", "\udfff\ud800", "👩‍👩‍👧‍👦", "e\u0301" * 50,
    "\u202eabc", "a|b|c|", "|", "||", "\U0010ffff", "﷽" * 20, "0", "null", "-1", "[]", '"', "\\",
    "'; DROP TABLE x; --", "<script>alert(1)</script>", "%s%n", "{{7*7}}", "x" * 3000, "长" * 1500, "。" * 300,
    "1" * 400, "\r\nX-Injected: 1", "../../etc/passwd", "NaN", "🙂" * 200,
]  # fmt: skip
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**64), 10**300, 1.5, -0.0, 1e308, 5e-324, [], {}, [[]], [{}],
    [None], [[[[[[[[[[]]]]]]]]]], {"a": {"b": {"c": {}}}}, {"": ""}, {"label": "x"}, [{"label": 1}],
    [{"label": "x"}] * 3, ["x"] * 2, ["x"] * 65, ["a", "a"], [["a", "b"], ["c"]], [["a", "b", "c"]],
    ["a", ["b"]], [1, "a"], ["x"] * 300, [""], [" ", "a"], {"text": "x"}, ["x", None, 3, {}, []],
]  # fmt: skip
ODD_TYPES = [
    "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", "application/xml", "",
    ";", "/", "application/json; charset=gbk", "application/json; charset=", "application/jsonx", "text/json",
    "*/*", "a" * 500, "application/json, text/plain", 'application/json; charset="', "application/json;;;",
    "application/json; x=y; z",
]  # fmt: skip
ODD_PATHS = [
    "/predict/", "/PREDICT", "/predict%00", "/predict%2F", "/predict/../predict", "/../predict", "/.", "/%",
    "/%zz", "/%ff%fe", "/%F0%9F%98%80", "/%E5%A4%A9", "/static/", "/static/..%2f..%2fapp.py", "/static/%00",
    "/v1", "/v1/", "/v1/predict", "/predict;a=b", "/" + "a" * 3000, "/admin", "/metrics", "/favicon.ico",
    "/%2e%2e/%2e%2e/etc/passwd", "/predict%0d%0aX:1", "/\\predict", "/predict#x", "*", "/v1/embeddings/",
    "/v1/models/%00", "/v1/models/none", "/openapi.yaml", "/healthz/",
]  # fmt: skip
PATHS = ["/predict", "/v1/embeddings", "/v1/models", "/healthz", "/readyz", "/", "/openapi.json"]
METHODS = ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "PROPFIND", "FOO", "M-SEARCH"]
OPENAI_EXAMPLE = {"model": "builtin:lexical", "input": ["天气", "股票"], "encoding_format": "float", "user": "me"}


@dataclass
class Input:
    """One request; `kind` is how it was made."""

    kind: str
    body: bytes | None
    method: str = "POST"
    path: str = "/predict"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": JSON})
    chunked: bool = False


class Maker:
    """Makes inputs from good ones, always the same for a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.mistakes: list[tuple[int, Callable[[], Input]]] = [
            (50, self.wrong_value),
            (8, self.lost_field),
            (8, self.strange_field),
            (8, self.damaged_bytes),
            (6, self.wrong_body),
            (6, self.wrong_encoding),
            (5, self.wrong_media),
            (4, self.wrong_path),
            (4, self.wrong_method),
            (3, self.nested),
            (3, self.huge_number),
            (2, self.odd_headers),
        ]

    def inputs(self, count: int) -> Iterator[Input]:
        weights, mistakes = zip(*self.mistakes, strict=True)
        for mistake in self.random.choices(mistakes, weights, k=count):
            made = mistake()
            made.kind = mistake.__name__
            # Bodies of unknown length are read on another path.
            made.chunked = made.body is not None and self.random.random() < 0.1
            yield made

    def good(self) -> tuple[str, dict[str, Any]]:
        if self.random.random() < 0.15:
            return "/v1/embeddings", copy.deepcopy(OPENAI_EXAMPLE)
        task = self.random.choice(list(TASKS.values()))
        body = copy.deepcopy(dict(task.example))
        if self.random.random() < 0.3:
            body["input_text"] = [body.get("input_text", "x"), self.odd()]
        return "/predict", body

    def odd(self) -> Any:
        return copy.deepcopy(self.random.choice(self.random.choice([ODD_TEXTS, ODD_VALUES])))

    def sent(self, path: str, body: Any) -> Input:
        return Input(
            "", json.dumps(body, ensure_ascii=self.random.random() < 0.5).encode("utf-8", "replace"), path=path
        )

    def wrong_value(self) -> Input:
        path, body = self.good()
        at: Any = body
        while True:
            key = self.random.choice(list(at) if isinstance(at, dict) else range(len(at)))
            if isinstance(at[key], dict | list) and at[key] and self.random.random() < 0.5:
                at = at[key]
                continue
            at[key] = self.odd()
            return self.sent(path, body)

    def lost_field(self) -> Input:
        path, body = self.good()
        for name in self.random.sample(list(body), self.random.randint(1, len(body))):
            del body[name]
        return self.sent(path, body)

    def strange_field(self) -> Input:
        path, body = self.good()
        name = self.random.choice([*body, "labels", "types", "context", "dimensions", *ODD_TEXTS])
        if self.random.random() < 0.5 and name in body:
            body[name[:-1] + self.random.choice(["", "s", "_"])] = body.pop(name)
        else:
            body[name] = self.odd()
        return self.sent(path, body)

    def damaged_bytes(self) -> Input:
        path, body = self.good()
        data = bytearray(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
        for _ in range(self.random.randint(1, 4)):
            place = self.random.randrange(len(data))
            match self.random.randrange(4):
                case 0:
                    data[place] = self.random.randrange(256)
                case 1:
                    del data[place:]
                case 2:
                    data[place:place] = self.random.randbytes(3)
                case _:
                    data += self.random.choice([b"}", b"\0", b"// x", b",", b"\xff", b"{}"])
            if not data:
                break
        return Input("", bytes(data), path=path)

    def wrong_body(self) -> Input:
        path, body = self.good()
        other = self.random.choice([[body], json.dumps(body), [list(body.items())], *ODD_VALUES, *ODD_TEXTS])
        return self.sent(path, other)

    def wrong_encoding(self) -> Input:
        path, body = self.good()
        text = json.dumps(body, ensure_ascii=False)
        data = self.random.choice(
            [
                *(
                    text.encode(name, "replace")
                    for name in ("utf-16", "utf-16-le", "utf-32", "gbk", "utf-7", "latin-1")
                ),
                gzip.compress(text.encode("utf-8", "replace")),
                b"",
                self.random.randbytes(self.random.randint(1, 300)),
            ]
        )
        return Input("", data, path=path)

    def wrong_media(self) -> Input:
        path, body = self.good()
        made = self.sent(path, body)
        made.headers = {"Content-Type": self.random.choice(ODD_TYPES)}
        return made

    def wrong_path(self) -> Input:
        return Input("", b"{}", path=self.random.choice(ODD_PATHS), method=self.random.choice(["POST", "GET"]))

    def wrong_method(self) -> Input:
        body = self.random.choice([None, b"{}", b"x" * 1000])
        return Input("", body, path=self.random.choice(PATHS), method=self.random.choice(METHODS))

    def nested(self) -> Input:
        path, body = self.good()
        depth = self.random.choice([10, 100, 900, 990, 1000, 5000, 100_000])
        opening, closing = self.random.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"x":', b"}]")])
        deep = opening * depth + b"1" + closing * depth
        key = self.random.choice(list(body))
        body[key] = "HERE"
        return Input("", json.dumps(body).encode().replace(b'"HERE"', deep)[: 1 << 20], path=path)

    def huge_number(self) -> Input:
        path, body = self.good()
        key = self.random.choice([*body, "dimensions", "start"])
        body[key] = "HERE"
        number = self.random.choice(
            [
                b"NaN",
                b"Infinity",
                b"-Infinity",
                b"1e999",
                b"-1e999",
                b"9" * 4000,
                b"9" * 5000,
                b"1e-999",
                b"0." + b"1" * 9000,
            ]
        )
        return Input("", json.dumps(body).encode().replace(b'"HERE"', number), path=path)

    def odd_headers(self) -> Input:
        path, body = self.good()
        body[self.random.choice(list(body))] = self.odd()
        made = self.sent(path, body)
        made.headers |= {
            "X-Request-ID": self.random.choice(["", " ", "a" * 5000, "a b", "é", "1", '"}', "../x"]),
            "Authorization": self.random.choice(["", "Bearer", "Bearer  ", "Basic xx", "é" * 30]),
            "Accept": self.random.choice(["", "text/html", "*/*;q=x", "é"]),
            "Accept-Language": self.random.choice(["zh;q=nan", "*", ",,,", "é"]),
            "Cookie": self.random.choice(["session=.", "a=b; " * 100]),
            "Origin": self.random.choice(["null", "http://x", "é"]),
        }
        return made


def problem(status: int, headers: Any, body: bytes, method: str) -> str | None:
    """What is wrong with an answer, if anything."""
    if status >= 500:
        return f"status {status}"
    if method == "HEAD":
        return None
    if status < 400:
        return None if status == 200 else f"status {status}"
    try:
        answer = json.loads(body)
        error = answer["error"]
        ok = (
            list(answer) == ["error"]
            and list(error) == ["code", "message", "field", "request_id"]
            and isinstance(error["code"], str)
            and len(error["message"]) > 10
            and (error["field"] is None or isinstance(error["field"], str))
            and error["request_id"] == headers["X-Request-ID"]
            and headers["Content-Type"] == JSON
            and len(body) < 3000
        )
    except (ValueError, KeyError, TypeError) as wrong:
        return repr(wrong)
    return None if ok else "another shape"


def send_all(service: Service, inputs: list[Input]) -> list[tuple[str, int, str | None, Input]]:
    """Send inputs over one connection that is kept as long as the service keeps it."""
    outcomes = []
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    for sent in inputs:
        body = iter([sent.body]) if sent.chunked and sent.body else sent.body
        connection.request(sent.method, sent.path, body, sent.headers, encode_chunked=sent.chunked)
        answer = connection.getresponse()
        data = answer.read()
        outcomes.append((sent.kind, answer.status, problem(answer.status, answer.headers, data, sent.method), sent))
    connection.close()
    return outcomes


def test_ten_thousand_bad_inputs_are_refused_in_one_shape(
    new_service: Callable[..., Service], capsys: pytest.CaptureFixture[str]
) -> None:
    # A queue that refuses would answer 503, which says nothing about the input.
    service = new_service(GTE_WORKERS="2", GTE_QUEUE_TEXTS="100000")
    service.wait_until("ready")
    inputs = list(Maker(SEED).inputs(INPUTS))
    with ThreadPoolExecutor(CLIENTS) as clients:
        parts = list(clients.map(lambda part: send_all(service, part), [inputs[n::CLIENTS] for n in range(CLIENTS)]))
    outcomes = [outcome for part in parts for outcome in part]
    by_status = Counter(status for _, status, _, _ in outcomes)
    by_kind = {kind: Counter(status for made, status, _, _ in outcomes if made == kind)
               for kind in sorted({kind for kind, *_ in outcomes})}  # fmt: skip
    with capsys.disabled():
        print(f"\nbad inputs by status: {dict(sorted(by_status.items()))}")
        for kind, statuses in by_kind.items():
            print(f"  {kind}: {dict(sorted(statuses.items()))}")
    assert len(outcomes) == INPUTS
    wrong = [
        (kind, fault, sent.method, sent.path, sent.body and sent.body[:300])
        for kind, _, fault, sent in outcomes
        if fault
    ]
    assert wrong[:5] == []
    assert "Traceback" not in service.log.read_text()
    # Most of them are bad indeed, and each way to be bad is met.
    assert by_status[200] < 0.4 * INPUTS
    assert {400, 404, 405, 413, 415} <= set(by_status)
