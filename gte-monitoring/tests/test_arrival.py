"""A request has arrived when its last byte has, in whatever pieces; what can't be valid is not waited for."""

from __future__ import annotations

import pytest

from gte_monitoring.clients.arrival import LONGEST_HEAD, Arrival, Progress

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
BODY = POST + b"content-length: 5\r\n\r\nabcde"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n"


@pytest.mark.parametrize(
    "request_bytes", [GET, BODY, CHUNKED + b"\r\n", CHUNKED + b"Trailer: 1\r\nOther: 2\r\n\r\n"],
    ids=["no body", "length", "chunks", "trailers"],
)  # fmt: skip
def test_a_request_is_complete_with_its_last_byte(request_bytes: bytes) -> None:
    arrival = Arrival(100)
    seen = [arrival.add(request_bytes[at : at + 1]) for at in range(len(request_bytes))]
    assert seen.index(Progress.COMPLETE) == len(request_bytes) - 1
    assert Arrival(100).add(request_bytes) is Progress.COMPLETE


def test_what_follows_a_request_stays_for_the_next() -> None:
    arrival = Arrival(100)
    arrival.add(BODY + GET)
    assert (bytes(arrival.take()), bytes(arrival.data)) == (BODY, GET)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        POST + b"Content-Length: 5, 5\r\n\r\n",
        POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n",
        CHUNKED.replace(b"3\r\n", b"zz\r\n", 1),
        CHUNKED.replace(b"3\r\n", b"3" * 9000, 1),
    ],
)
def test_the_parser_gets_at_once_what_it_will_refuse(request_bytes: bytes) -> None:
    assert Arrival(100).add(request_bytes) is Progress.COMPLETE


def test_a_head_without_an_end_is_not_waited_for() -> None:
    arrival = Arrival(100)
    assert arrival.add(POST + b"X: " + b"x" * (LONGEST_HEAD - 100)) is Progress.HEAD
    assert arrival.add(b"x" * 100) is Progress.LONG_HEAD


def test_a_body_of_just_the_limit_is_waited_for_and_a_longer_one_is_not() -> None:
    assert Arrival(5).add(BODY[:-1]) is Progress.BODY
    assert Arrival(4).add(BODY[:-5]) is Progress.LONG_BODY


def test_chunks_are_too_long_once_the_first_byte_too_many_is_here() -> None:
    # The second chunk begins with byte 4, but until it is here the application could not see it.
    begin = CHUNKED[: CHUNKED.index(b"de\r\n")]
    arrival = Arrival(3)
    assert arrival.add(begin) is Progress.BODY
    assert arrival.add(b"d") is Progress.LONG_BODY
    assert Arrival(5).add(CHUNKED + b"\r\n") is Progress.COMPLETE


def test_bytes_around_a_small_body_are_bounded() -> None:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    for line in (b"1;" + b"x" * 1000 + b"\r\nb\r\n", b"0\r\n" + b"Trailer: " + b"x" * 1000 + b"\r\n"):
        arrival = Arrival(100_000)
        arrival.add(head)
        sent = 0
        while arrival.add(line if sent == 0 or b"0\r\n" not in line else line[3:]) is Progress.BODY:
            sent += 1
            assert sent < 200
        assert arrival.progress is Progress.LONG_BODY


def test_a_client_that_expects_to_be_told_to_go_on_is_known() -> None:
    arrival = Arrival(100)
    arrival.add(POST + b"expect: 100-Continue\r\nContent-Length: 5\r\n\r\n")
    assert arrival.expects_continue
    plain = Arrival(100)
    plain.add(BODY[:-5])
    assert not plain.expects_continue
