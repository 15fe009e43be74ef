"""By which names a server may be asked: DNS rebinding makes a browser take an attacker's name for this host's."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address


def is_known(host: str, names: Collection[str]) -> bool:
    """Whether a request may be answered.

    Args:
        host: the request's Host header, a port included; "" if it has none.
        names: that lead to this server, in lower case. Any address is known: it takes no DNS to reach it.
    """
    name = re.sub(r":[0-9]*$", "", host)
    try:
        ip_address(name[1:-1] if name.startswith("[") and name.endswith("]") else name)
    except ValueError:
        return name.rstrip(".").lower() in names
    return True


def host_names(value: str) -> frozenset[str]:
    """The names in a setting, divided by commas or blanks; `localhost` is always one.

    Raises:
        ValueError: one of them can be no host's; the message names it.
    """
    names = {name.rstrip(".").lower() for name in re.split(r"[\s,]+", value) if name}
    for name in names:
        if not re.fullmatch(r"[a-z0-9._-]+|\[?[0-9a-f:.]+\]?", name):
            raise ValueError(f"{name!r} is no host name; write names alone, without http:// or a port")
    return frozenset(names | {"localhost"})
