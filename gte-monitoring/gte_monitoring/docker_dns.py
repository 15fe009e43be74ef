"""Asks Docker's own DNS server for the name of a container, which the container keeps when its address changes.

`socket.gethostbyaddr` won't do: for a container's own address it reads the id in /etc/hosts.
"""

from __future__ import annotations

import re
import secrets
import socket
import struct
from pathlib import Path

# The only server that is asked: another one would name machines, or not answer within seconds.
_HOST = "127.0.0.11"
_RESOLV_CONF = Path("/etc/resolv.conf")
_HEADER = struct.Struct(">6H")
_POINTER, _INTERNET, _RECURSION_DESIRED = 12, 1, 0x0100
_LARGEST = 4096
# A name that is compressed in more steps than it can have labels points to itself.
_MOST_LABELS = 128


def container_name(address: str, server: tuple[str, int] | None = None, seconds: float = 1.0) -> str | None:
    """The name of the container that has an address, with its network: `project-service-1.project_default`.

    Args:
        address: IPv4.
        server: address and port of the DNS server; by default Docker's, if this container uses it.
        seconds: how long to wait for an answer.

    Returns:
        None when the server knows no name, or when there is no such server.
    """
    server = server or _docker_server()
    if server is None:
        return None
    query = struct.pack(">H", secrets.randbits(16)) + _question(".".join(reversed(address.split("."))))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(seconds)
        try:
            asking.connect(server)
            asking.send(query)
            return _answered_name(asking.recv(_LARGEST), query)
        except (OSError, ValueError, IndexError, struct.error):
            return None


def own_addresses() -> set[str]:
    """The IPv4 addresses of this machine or container by its host name; Docker writes them into /etc/hosts."""
    return addresses_of(socket.gethostname())


def addresses_of(name: str) -> set[str]:
    """The IPv4 addresses of a name; none if it can't be resolved."""
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        return set()


def own_name() -> str | None:
    """The name of this container without its network, for example `project-service-1`; None where there is none.

    Swarm's names end in an id that each start changes, `service.1.<id>`: it is cut off.
    """
    for address in sorted(own_addresses()):
        if name := container_name(address):
            numbered = re.match(r"[^.]+\.\d+(?=\.)", name)
            return numbered[0] if numbered else name.partition(".")[0]
    return None


def _docker_server() -> tuple[str, int] | None:
    try:
        lines = _RESOLV_CONF.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return (_HOST, 53) if ["nameserver", _HOST] in (line.split() for line in lines) else None


def _question(reversed_address: str) -> bytes:
    """A query for the name of an address, without its id (RFC 1035, 4.1)."""
    labels = [*reversed_address.split("."), "in-addr", "arpa"]
    name = b"".join(struct.pack("B", len(label)) + label.encode() for label in labels) + b"\0"
    return struct.pack(">5H", _RECURSION_DESIRED, 1, 0, 0, 0) + name + struct.pack(">2H", _POINTER, _INTERNET)


def _answered_name(answer: bytes, query: bytes) -> str | None:
    """The name that an answer gives; None if it gives none, or answers another query."""
    number, _, _, answers, _, _ = _HEADER.unpack_from(answer)
    if number != _HEADER.unpack_from(query)[0]:
        return None
    _, at = _read_name(answer, _HEADER.size)
    at += 4
    for _ in range(answers):
        _, at = _read_name(answer, at)
        kind, _, _, length = struct.unpack_from(">HHIH", answer, at)
        at += 10
        if kind == _POINTER:
            return _read_name(answer, at)[0]
        at += length
    return None


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    """A name of a message, and where the part after it begins. The end of a name may stand elsewhere (4.1.4)."""
    labels: list[str] = []
    end = None
    for _ in range(_MOST_LABELS):
        length = message[at]
        if length >= 0xC0:
            end = end or at + 2
            at = struct.unpack_from(">H", message, at)[0] & 0x3FFF
        elif length:
            labels.append(message[at + 1 : at + 1 + length].decode("ascii"))
            at += 1 + length
        else:
            return ".".join(labels), end or at + 1
    raise ValueError("a name of the answer has no end")
