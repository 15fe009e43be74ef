"""Tells Prometheus the replicas of a service by name (`http_sd_configs`): a name outlives the container's address."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from gte_monitoring.docker_dns import addresses_of, container_name, own_addresses

PATH = "/replicas"
# Prometheus gives up after its refresh interval, 5 s.
_LOOKUP_SECONDS = 3.0
TargetGroup = dict[str, Any]


def with_replica_list(metrics: WSGIApplication, port: int) -> WSGIApplication:
    """Add `GET /replicas` to a WSGI application that serves the metrics of one replica.

    It answers for the name by which it is asked: each replica that has this name is a target. A name that isn't this
    machine's own gets 404, so nobody can have names looked up here.

    Args:
        metrics: answers every other path.
        port: where every replica serves its metrics.
    """

    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != PATH:
            return metrics(environ, start)
        service = re.sub(r"\.?(:\d+)?$", "", environ.get("HTTP_HOST", ""))
        addresses = addresses_of(service)
        if addresses.isdisjoint(own_addresses()):
            start("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [f"{service!r} is not a name of this machine in its network: ask by the service's name.\n".encode()]
        start("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(targets(service, port, names_of(addresses))).encode()]

    return application


def names_of(addresses: Iterable[str]) -> dict[str, str | None]:
    """The name of each container by its address; None where the DNS server knows none or is too slow."""
    end = time.monotonic() + _LOOKUP_SECONDS
    names: dict[str, str | None] = {}
    for address in sorted(addresses):
        remaining = end - time.monotonic()
        names[address] = container_name(address, seconds=min(1.0, remaining)) if remaining > 0 else None
    return names


def targets(service: str, port: int, names: Mapping[str, str | None]) -> list[TargetGroup]:
    """The replicas of a service, as Prometheus' HTTP service discovery reads them.

    A container `project-service-2.network` is the instance `service-2`, and is scraped by its name, which Prometheus
    looks up at each scrape: no target changes when containers change addresses. The network is left out of the name,
    because the replicas may have another one too, which Prometheus isn't in. A replica whose name doesn't say
    which one it is, or says the same as another's, is scraped by its address, which is its `instance` then.

    Args:
        service: its name.
        port: where every replica serves its metrics.
        names: the replicas' names by address.
    """
    # Swarm's names go on with an id: `stack_service.2.id.network`.
    numbered = re.compile(rf"((?:^|.*[-_]){re.escape(service)}(?:[-_]|(\.))(\d+)(?(2)\.[^.]+))\.")
    found = {address: match for address, name in names.items() if name and (match := numbered.match(name))}
    shared = {number for number, count in Counter(match[3] for match in found.values()).items() if count > 1}
    groups: list[TargetGroup] = []
    for address in names:
        match = found.get(address)
        if match is None or match[3] in shared:
            groups.append({"targets": [f"{address}:{port}"]})
        else:
            # The dot: without it Prometheus also tries the name under the host's search domains.
            groups.append({"targets": [f"{match[1]}.:{port}"], "labels": {"instance": f"{service}-{match[3]}"}})
    return groups
