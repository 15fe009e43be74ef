"""Refuses to load anything but this machine and the stack's own network."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from tools.cli import UsageError

# A name of the Compose network: one label, no dot. It begins with a letter, since `134744072` and `0x08080808`
# are addresses to a resolver.
_SERVICE_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.IGNORECASE)


def check_target(url: str) -> None:
    """Check that load may be sent to `url`.

    Raises:
        UsageError: it is no plain HTTP address, or neither loopback nor a host of the Compose network.
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme != "http" or not parts.hostname or not port or parts.path or parts.query or parts.username:
        raise UsageError(f"LOADTEST_TARGET_URL is {url!r}: it has to look like http://127.0.0.1:5000")
    address = _as_address(parts.hostname)
    if address is None and _SERVICE_NAME.fullmatch(parts.hostname):
        address = _resolved(parts.hostname, port)
        # Where the name is a container's, its address is private; elsewhere a resolver may know the name too.
        if address.is_loopback or address.is_private:
            return
    if address is None or not address.is_loopback:
        raise UsageError(
            f"LOADTEST_TARGET_URL is {url!r}: load is sent only to this machine (127.0.0.1, localhost) or to a "
            "service of the Compose network by its name, so that nobody else's server is loaded by mistake"
        )


def _as_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _resolved(host: str, port: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise UsageError(
            f"LOADTEST_TARGET_URL names the host {host!r}, which is unknown here ({error}); does the stack run?"
        ) from None
    addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    # Any address that is not our own shows first.
    return min(addresses, key=lambda address: address.is_private or address.is_loopback)
