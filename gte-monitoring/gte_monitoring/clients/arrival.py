"""Says when a request has arrived in full: where it ends, and nothing else of what it means.

The server's own parser reads it afterwards and is the only one that decides what is valid. Where this module can't tell
the end, it calls the request complete, and the parser refuses it.
"""

from __future__ import annotations

import re
from enum import Enum

# More than gunicorn takes for the request line and any sensible number of headers.
LONGEST_HEAD = 1 << 17
# gunicorn refuses a longer line with the size of a chunk.
_LONGEST_SIZE_LINE = 8192
_END_OF_HEAD = b"\r\n\r\n"
# Longer numbers are nobody's, and Python refuses to read very long ones.
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.IGNORECASE)
_EXPECTS = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)
_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(;.*)?", re.DOTALL)


class Progress(Enum):
    """How far a request has arrived."""

    HEAD = "its request line and headers are not complete"
    BODY = "its body is not complete"
    COMPLETE = "it is complete, or can't be valid"
    LONG_HEAD = "its request line and headers are longer than any server takes"
    LONG_BODY = "its body is longer than the application takes"


class Arrival:
    """The bytes of a connection from the beginning of a request.

    Attributes:
        data: what has arrived, the beginning of a later request included.
        progress: how far the request is.
        expects_continue: whether the client waits for "100 Continue" before it sends the body.
    """

    def __init__(self, longest_body: int) -> None:
        """Expect a request whose body has at most `longest_body` bytes; a longer one need not be waited for."""
        self.data = bytearray()
        self.progress = Progress.HEAD
        self.expects_continue = False
        self._longest_body = longest_body
        self._end = 0
        self._searched = 0
        self._chunked = False
        self._body = 0
        # The length from which the body is too long, 0 while it isn't.
        self._long_from = 0
        self._in_trailers = False

    def add(self, data: bytes) -> Progress:
        """Take bytes that have arrived; returns how far the request is now."""
        self.data += data
        if self.progress is Progress.HEAD:
            self.progress = self._read_head()
        if self.progress is Progress.BODY:
            self.progress = self._read_chunks() if self._chunked else self._read_length()
            if self.progress is Progress.BODY and 0 < self._long_from <= len(self.data):
                self.progress = Progress.LONG_BODY
        return self.progress

    def take(self) -> bytearray:
        """The request's bytes, as many as have arrived; those of a later request stay."""
        end = self._end if self.progress is Progress.COMPLETE else len(self.data)
        # Mostly there is no later request, and nothing is copied.
        request, self.data = self.data, self.data[end:]
        del request[end:]
        return request

    def _read_head(self) -> Progress:
        # The end may have begun with the last bytes of an earlier piece.
        found = self.data.find(_END_OF_HEAD, max(0, self._searched - len(_END_OF_HEAD)))
        self._searched = len(self.data)
        if found < 0:
            return Progress.LONG_HEAD if len(self.data) > LONGEST_HEAD else Progress.HEAD
        self._end = found + len(_END_OF_HEAD)
        head = bytes(self.data[: found + 2])
        length, self._chunked = _LENGTH.search(head), bool(_CHUNKED.search(head))
        if self._chunked == bool(length):
            return Progress.COMPLETE
        self._body = int(length[1]) if length else 0
        self._end += self._body
        self.expects_continue = bool(_EXPECTS.search(head))
        return Progress.LONG_BODY if self._body > self._longest_body else Progress.BODY

    def _read_length(self) -> Progress:
        return Progress.COMPLETE if len(self.data) >= self._end else Progress.BODY

    def _read_chunks(self) -> Progress:
        while self._end <= len(self.data):
            line_end = self.data.find(b"\r\n", self._end)
            if line_end < 0:
                too_long = len(self.data) - self._end > _LONGEST_SIZE_LINE
                return self._ends_here() if too_long else Progress.BODY
            line = bytes(self.data[self._end : line_end])
            self._end = line_end + 2
            if self._in_trailers:
                if not line:
                    return Progress.COMPLETE
                size, other = 0, len(line)
            elif read := _SIZE.fullmatch(line):
                size, other = int(read[1], 16), len(read[2] or b"")
                self._in_trailers = not size
            else:
                return self._ends_here()
            # What the lines hold besides counts too, or nothing would bound the bytes around a small body.
            room = self._longest_body - self._body - other
            self._body += size + other
            if self._body > self._longest_body and not self._long_from:
                # The application sees that it is too long by the first byte too many.
                self._long_from = self._end + max(0, room) + 1
            # A chunk ends in a line break of its own.
            self._end += size + 2 if size else 0
        return Progress.BODY

    def _ends_here(self) -> Progress:
        self._end = len(self.data)
        return Progress.COMPLETE
