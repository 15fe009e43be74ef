"""Brings both sides together: from scrapes and lines to a report."""

from __future__ import annotations

from collections.abc import Sequence

from tools.reconcile.access_log import Container, Line, log_begin
from tools.reconcile.comparison import compare
from tools.reconcile.edges import choose_edges
from tools.reconcile.errors import LogError, RangeError
from tools.reconcile.lives import find_lives, typical_interval
from tools.reconcile.options import Options
from tools.reconcile.report import Report
from tools.reconcile.scrapes import Scrape


def judge(
    options: Options, scrapes: Sequence[Scrape], lines: Sequence[Line], containers: Sequence[Container]
) -> Report:
    """Compare the lines of the log with the scrapes of a range.

    Args:
        options: the range that was asked for.
        scrapes: those of the range and somewhat before, of all replicas in order of time.
        lines: those of the range and somewhat beyond, in order.
        containers: those of the service, looked at after the lines were read: what was rotated away meanwhile must
            not be taken for lines that never were.

    Raises:
        LogError: the log is empty.
        RangeError: the range holds too little to compare.
    """
    lives = find_lives(scrapes)
    interval = typical_interval(lives)
    begin_of_log = log_begin(containers)
    if begin_of_log is None:
        raise LogError("The log of gte-service has no line at all: does it start (make status)?")
    begin, end = choose_edges(lives, lines, options.since, begin_of_log, interval)
    found = compare(lives, lines, begin, end, interval)
    if not found.rows:
        raise RangeError(
            "There was no task request in this range: the log has none, and no counter has risen. Send some (make "
            "load), wait 10 s for the next scrapes, or choose another range."
        )
    addresses = {address for container in containers for address in container.addresses}
    counted = {scrape.instance for scrape in scrapes if begin.at < scrape.at <= end.at}
    return Report(
        found,
        options,
        log_begin=begin_of_log if any(options.since <= scrape.at < begin_of_log for scrape in scrapes) else None,
        vanished=sorted(instance for instance in counted if instance.rpartition(":")[0] not in addresses),
    )
