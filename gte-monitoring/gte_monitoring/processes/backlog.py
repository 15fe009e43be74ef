"""How many connections wait for the server, asked of the kernel, which knows it even when the server hangs.

By the sock_diag interface (man 7 sock_diag), not /proc/net/tcp: the kernel picks the sockets by their state, while
that file lists them all, and a busy server has tens of thousands that are merely waiting to be forgotten.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from struct import Struct

# linux/sock_diag.h, linux/inet_diag.h, linux/netlink.h and net/tcp_states.h.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x301
_DONE, _ERROR = 3, 2
_ESTABLISHED, _LISTEN = 1, 10
_HEADER = Struct("=IHHII")
_SOCKET = Struct("!BBxxH2x44x")
_QUEUES = Struct("=4xIIII")
_TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class Backlog:
    """Connections that wait for a server.

    Attributes:
        accept: established by the kernel, not yet taken by a worker.
        unread: taken, with bytes that nobody has read yet.
    """

    accept: int
    unread: int


@dataclass(frozen=True)
class _Socket:
    port: int
    received: int
    inode: int


def read_backlog(listening: Collection[int]) -> Backlog | None:
    """What waits at the sockets of this network namespace.

    Args:
        listening: inodes of the server's listening sockets; others are looked over.

    Returns:
        the numbers, or None where there is no such TCP socket or the kernel doesn't tell.
    """
    if not hasattr(socket, "AF_NETLINK"):
        # Only Linux has it.
        return None
    try:
        mine = {family: [each for each in _sockets(family, _LISTEN) if each.inode in listening] for family in _FAMILIES}
        # A connection is of its listening socket's family. The kernel looks through all connections of the machine's
        # namespace for each question, so none is asked in vain.
        taken = [
            each
            for family, sockets in mine.items()
            if (ports := {each.port for each in sockets})
            for each in _sockets(family, _ESTABLISHED)
            if each.port in ports
        ]
    except OSError:
        return None
    waiting = [each.received for sockets in mine.values() for each in sockets]
    if not waiting:
        return None
    # A connection that waits to be accepted has no inode yet, and is counted by its listening socket.
    return Backlog(sum(waiting), sum(1 for each in taken if each.received and each.inode))


_FAMILIES = (socket.AF_INET, socket.AF_INET6)


def _sockets(family: int, state: int) -> Iterator[_Socket]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.settimeout(_TIMEOUT_SECONDS)
        request = bytes([family, socket.IPPROTO_TCP, 0, 0]) + Struct("=I48x").pack(1 << state)
        kernel.send(_HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + request)
        while True:
            answer = kernel.recv(1 << 16)
            position = 0
            while position < len(answer):
                length, kind, *_ = _HEADER.unpack_from(answer, position)
                body = position + _HEADER.size
                if kind == _DONE:
                    return
                if kind == _ERROR:
                    number = -Struct("=i").unpack_from(answer, body)[0]
                    raise OSError(number, os.strerror(number))
                _, _, port = _SOCKET.unpack_from(answer, body)
                received, _, _, inode = _QUEUES.unpack_from(answer, body + _SOCKET.size)
                yield _Socket(port, received, inode)
                position += (length + 3) & ~3
