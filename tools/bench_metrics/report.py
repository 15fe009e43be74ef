"""The table: what was measured, its target, and whether it is reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tools.bench_metrics.app import WAYS
from tools.bench_metrics.recording import BARE, Recorded
from tools.bench_metrics.restarts import Folder, Restarts
from tools.bench_metrics.results import Results, Target, growth, targets
from tools.bench_metrics.scrape import Scrapes
from tools.bench_metrics.servers import WORKERS
from tools.bench_metrics.statistic import percentile, quartiles

HEAD = ("what", "measured", "target", "result")
REACHED, MISSED = "pass", "FAIL"
_SCRAPES = {
    "idle": f"{WORKERS} workers, all tasks, idle",
    "loaded": f"{WORKERS} workers, all tasks, while 4 clients send",
    "worst": f"{WORKERS} workers, every task, outcome and span of latency",
}

Row = tuple[str, str, str, str]


def lines(results: Results, machine: str) -> Iterator[str]:
    """The report, line by line."""
    yield machine
    rows = [HEAD, *_rows(results)]
    # A heading may run on over the other columns, which it leaves empty.
    widths = [max(map(len, column)) for column in zip(*(row for row in rows if row[1]), strict=True)]
    for row in rows:
        if not row[1]:
            yield ""
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        if row is HEAD:
            yield "-" * (sum(widths) + 2 * len(widths) - 2)


def _rows(results: Results) -> Iterator[Row]:
    found = {target.subject: target for target in targets(results)}
    if results.recorded:
        yield _heading("Recording POST /predict: median of a request, and how much more than bare (quartiles)")
        for each in results.recorded:
            yield _row(_title(each), _recorded(each), found.get(f"{each.way} {each.place}"))
    if results.over_http:
        yield _heading("The same through gunicorn and HTTP, one client, files in memory")
        for each in results.over_http:
            yield _row(WAYS[each.way].title, _over_http(each, results.over_http))
    if results.scrapes:
        yield _heading("GET /metrics as Prometheus asks: P50, P99")
        for scrapes in results.scrapes:
            yield _row(_SCRAPES[scrapes.name], _scraped(scrapes), found.get(scrapes.name))
    if results.slots:
        yield from _slots(results.slots, found)
    if results.pids:
        yield from _pids(results.pids)


def _slots(slots: Restarts, found: dict[str, Target]) -> Iterator[Row]:
    yield _heading(f"{slots.restarts:,} restarts of workers, {WORKERS} at a time, by turns ended and killed")
    yield _row("files", f"{slots.before.files} before, {slots.after.files} after", found["files"])
    yield _row("bytes of metric files", f"{slots.before.size:,} before, {slots.after.size:,} after", found["bytes"])
    yield _row("scrape without restarts, in turn with", _folder(slots.before))
    yield _row("scrape after them", f"{_folder(slots.after)}, × {growth(slots):.2f}", found["growth"])
    yield _row("requests counted", f"{slots.recorded:,}, difference {slots.difference:+.0f}", found["difference"])


def _pids(pids: Restarts) -> Iterator[Row]:
    yield _heading(f"Beside it: {pids.restarts:,} restarts with prometheus_client's own files, by process id")
    yield _row("files", f"{pids.before.files} before, {pids.after.files} after")
    yield _row("bytes of metric files", f"{pids.before.size:,} before, {pids.after.size:,} after")
    yield _row("scrape before", _folder(pids.before))
    yield _row("scrape after", f"{_folder(pids.after)}, × {growth(pids):.1f}")


def _heading(text: str) -> Row:
    return text, "", "", ""


def _row(what: str, measured: str, target: Target | None = None) -> Row:
    if target is None:
        return f"  {what}", measured, "", ""
    unit = f" {target.unit}" if target.unit else ""
    return f"  {what}", measured, f"≤ {_number(target.most)}{unit}", REACHED if target.reached else MISSED


def _title(each: Recorded) -> str:
    place = {"": "", "memory": ", files in memory", "disk": ", files on a disk"}[each.place]
    return WAYS[each.way].title + place


def _recorded(each: Recorded) -> str:
    median = f"{quartiles(each.micros).median:.1f} µs"
    if each.way == BARE:
        return median
    more = quartiles(each.more)
    return f"{median}, {more.median:+.1f} ({more.first:+.1f} to {more.third:+.1f})"


def _over_http(each: Recorded, all_of_them: Sequence[Recorded]) -> str:
    micros = quartiles(each.micros).median
    text = f"{micros:.0f} µs, {1e6 / micros:.0f} requests/s"
    bare = next(other for other in all_of_them if other.way == BARE)
    if each is bare:
        return text
    ratios = [ours / theirs for ours, theirs in zip(bare.micros, each.micros, strict=True)]
    return f"{text}, × {quartiles(ratios).median:.2f}"


def _scraped(scrapes: Scrapes) -> str:
    p50, p99 = (1e3 * percentile(scrapes.seconds, share) for share in (0.5, 0.99))
    return f"{p50:.1f} ms, {p99:.1f} ms; {scrapes.series:,} series, {scrapes.size:,} bytes"


def _folder(folder: Folder) -> str:
    return f"{1e3 * quartiles(folder.seconds).median:.2f} ms"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"
