"""The dashboard "GTE host and stack": the machine, and what watches the service."""

from __future__ import annotations

from collections.abc import Sequence

from grafana.boards.model import Json, Panel, Query, Row, dashboard
from grafana.boards.panels import BLUE, NEUTRAL, RED, YELLOW, Column, lines, number, override_query, steps, table, word
from grafana.boards.texts import Texts
from grafana.boards.variables import HOST, data_source, host

UID = "gte-stack"

# What HostMemoryLow and HostDiskLow compare, from the other end: used instead of left.
MEMORY_LOW = 0.9
DISK_LOW = 0.95
DISK_FILLING = 0.2
"""Below this share left, HostDiskFilling looks at the trend."""

_WINDOW = "[$__rate_interval]"


def stack(texts: Texts) -> Json:
    """The dashboard's model in a language."""
    rows = [
        Row(None, _now(texts)),
        Row(texts("row host"), _host(texts)),
        Row(texts("row disks"), _disks(texts)),
        Row(texts("row targets"), _targets(texts)),
        Row(texts("row prometheus"), _prometheus(texts)),
        Row(texts("row notifications"), _notifications(texts)),
        Row(texts("row grafana"), _grafana(texts)),
    ]
    return dashboard(texts, UID, rows, [data_source(texts), host(texts)])


def _used_memory() -> str:
    return (
        f"1 - avg_over_time(node_memory_MemAvailable_bytes{{{HOST}}}[2m]) "
        f"/ avg_over_time(node_memory_MemTotal_bytes{{{HOST}}}[2m])"
    )


def _filled() -> str:
    """As HostDiskLow has it: filesystems that can be written."""
    return (
        f"1 - avg_over_time(node_filesystem_avail_bytes{{{HOST}}}[2m]) "
        f"/ avg_over_time(node_filesystem_size_bytes{{{HOST}}}[2m])\n"
        f"  unless max_over_time(node_filesystem_readonly{{{HOST}}}[2m]) == 1"
    )


def _busy_cpus() -> str:
    return f'1 - avg by (instance) (rate(node_cpu_seconds_total{{{HOST},mode="idle"}}{_WINDOW}))'


def _now(texts: Texts) -> Sequence[Panel]:
    targets, memory, disk, cpu, told = (texts(key) for key in ("down", "memory now", "disk now", "cpu now", "told"))
    return [
        number(
            targets,
            "none",
            Query("count(up == 0) or vector(0)", targets["down"], now=True),
            Query("count(up)", targets["all"], now=True),
            thresholds=steps((None, BLUE), (1, RED)),
            width=5,
            text="value_and_name",
            overrides=[override_query("B", thresholds=NEUTRAL)],
        ),
        number(
            cpu,
            "percentunit",
            Query(f"topk(1, {_busy_cpus().replace(_WINDOW, '[1m]')})", "{{instance}}", now=True),
            thresholds=steps((None, BLUE), (0.9, YELLOW)),
            width=5,
            decimals=0,
        ),
        number(
            memory,
            "percentunit",
            Query(f"topk(1, {_used_memory()})", "{{instance}}", now=True),
            thresholds=steps((None, BLUE), (0.8, YELLOW), (MEMORY_LOW, RED)),
            width=5,
            decimals=0,
        ),
        number(
            disk,
            "percentunit",
            Query(f"topk(1, {_filled()})", "{{mountpoint}}", now=True),
            thresholds=steps((None, BLUE), (0.8, YELLOW), (DISK_LOW, RED)),
            width=5,
            text="value_and_name",
            decimals=0,
        ),
        number(
            told,
            "s",
            Query(
                "time() - max(alert_inbox_watchdog_heard_timestamp_seconds > 0)", told["age"], now=True
            ),
            thresholds=steps((None, BLUE), (180, RED)),
            width=4,
        ),
    ]  # fmt: skip


def _host(texts: Texts) -> Sequence[Panel]:
    cpus = f'count by (instance) (last_over_time(node_cpu_seconds_total{{{HOST},mode="idle"}}{_WINDOW}))'
    clock = f"abs(node_time_seconds{{{HOST}}} - timestamp(node_time_seconds{{{HOST}}}))"
    return [
        lines(
            texts("cpu"),
            "percentunit",
            Query(
                f'avg by (mode) (rate(node_cpu_seconds_total{{{HOST},mode!="idle"}}{_WINDOW}))',
                "{{mode}}",
            ),
            stacked=True,
            most=1,
        ),
        lines(
            texts("waiting to run"),
            "short",
            Query(f"max_over_time(node_load1{{{HOST}}}{_WINDOW}) / on (instance) {cpus}", "{{instance}}"),
        ),
        lines(
            texts("memory"),
            "percentunit",
            Query(_used_memory(), "{{instance}}"),
            alert_from=MEMORY_LOW,
            most=1,
        ),
        lines(
            texts("paging"),
            "short",
            Query(
                f"rate(node_vmstat_pswpin{{{HOST}}}{_WINDOW}) + rate(node_vmstat_pswpout{{{HOST}}}{_WINDOW})",
                "{{instance}}",
            ),
        ),
        lines(
            texts("open files"),
            "percentunit",
            Query(f"max_over_time(node_filefd_allocated{{{HOST}}}{_WINDOW})"
                f" / last_over_time(node_filefd_maximum{{{HOST}}}{_WINDOW})", "{{instance}}"),
            most=1,
        ),
        lines(
            texts("clock"),
            "s",
            Query(f"max_over_time(({clock})[$__rate_interval:])", "{{instance}}"),
        ),
    ]  # fmt: skip


def _disks(texts: Texts) -> Sequence[Panel]:
    days = texts("days")
    soon = steps((None, BLUE), (0, RED), (86_400, YELLOW), (7 * 86_400, "transparent"))
    left, fixed = (f"node_filesystem_{name}{{{HOST}}}" for name in ("avail_bytes", "readonly"))
    return [
        lines(
            texts("disks"), "percentunit", Query(_filled(), "{{instance}} {{mountpoint}}"), alert_from=DISK_LOW, most=1
        ),
        table(
            days,
            [
                f"max by (instance, mountpoint, device) ({left} unless {fixed} == 1)",
                f"max by (instance, mountpoint, device) ({left} / -(deriv({left}[6h]) < 0)"
                f" and {left} / node_filesystem_size_bytes{{{HOST}}} < {DISK_FILLING} unless {fixed} == 1)"
                # NaN, which is shown as a dash: a column without any value would be left out.
                f"\n  or 0 * max by (instance, mountpoint, device) ({left} unless {fixed} == 1) / 0",
            ],
            [
                Column("mountpoint", days["mountpoint"]),
                Column("device", days["device"], width=100),
                Column("instance", days["host"], width=130),
                Column("A", days["left"], "bytes", 110),
                Column("B", days["until"], "s", 110, soon),
            ],
            width=8,
            height=8,
            sort=days["until"],
            falling=False,
        ),
        lines(
            texts("disk busy"),
            "percentunit",
            Query(f"rate(node_disk_io_time_seconds_total{{{HOST}}}{_WINDOW})", "{{instance}} {{device}}"),
            most=1,
        ),
    ]  # fmt: skip


def _targets(texts: Texts) -> Sequence[Panel]:
    targets = texts("targets")
    answers = [word(0, targets["no"], RED), word(1, targets["yes"], BLUE)]
    return [
        table(
            targets,
            [
                "max by (job, instance) (up)",
                "max by (job, instance) (scrape_duration_seconds)",
                "max by (job, instance) (scrape_samples_scraped)",
            ],
            [
                Column("job", targets["job"]),
                Column("instance", targets["instance"]),
                Column("A", targets["answers"], "none", 120, NEUTRAL, answers),
                Column("B", targets["seconds"], "s", 150, steps((None, BLUE), (1, YELLOW), (3, RED))),
                Column("C", targets["samples"], "none", 120),
            ],
            width=24,
            height=8,
            sort=targets["job"],
            falling=False,
        )
    ]  # fmt: skip


def _prometheus(texts: Texts) -> Sequence[Panel]:
    store, rules = texts("store"), texts("rules")
    took = "prometheus_rule_group_last_duration_seconds"
    return [
        lines(
            texts("samples"),
            "short",
            Query(f"rate(prometheus_tsdb_head_samples_appended_total{_WINDOW})", "{{type}}"),
        ),
        lines(texts("series"), "short", Query(f"max_over_time(prometheus_tsdb_head_series{_WINDOW})", "{{instance}}")),
        lines(
            texts("prometheus memory"),
            "bytes",
            Query(f"max_over_time(process_resident_memory_bytes{_WINDOW})", "{{job}}"),
        ),
        lines(
            store,
            "bytes",
            Query(
                # Blocks are written every two hours; until then all is in the log and in the head.
                f"max_over_time(prometheus_tsdb_storage_blocks_bytes{_WINDOW})"
                f" + max_over_time(prometheus_tsdb_wal_storage_size_bytes{_WINDOW})"
                f" + max_over_time(prometheus_tsdb_head_chunks_storage_size_bytes{_WINDOW})",
                store["blocks"],
            ),
            Query(f"max_over_time(prometheus_tsdb_retention_limit_bytes{_WINDOW}) > 0", store["limit"]),
        ),
        lines(
            texts("rule time"),
            "s",
            Query(
                f"label_replace(max by (rule_group) (max_over_time({took}{_WINDOW})), "
                '"group", "$1", "rule_group", ".+;(.+)")',
                "{{group}}",
            ),
        ),
        lines(
            rules,
            "short",
            Query(f"sum(increase(prometheus_rule_evaluation_failures_total{_WINDOW}))", rules["failed"]),
            Query(f"sum(increase(prometheus_rule_group_iterations_missed_total{_WINDOW}))", rules["missed"]),
            Query(f"sum(increase(prometheus_notifications_dropped_total{_WINDOW}))", rules["dropped"]),
        ),
    ]  # fmt: skip


def _notifications(texts: Texts) -> Sequence[Panel]:
    received = texts("received")
    return [
        lines(
            texts("alerts"),
            "short",
            Query(f"sum by (state) (max_over_time(alertmanager_alerts{_WINDOW}))", "{{state}}"),
        ),
        lines(
            texts("failed"),
            "short",
            Query(
                "sum by (integration) (increase(alertmanager_notifications_failed_total[5m]))\n"
                "  and on (integration) sum by (integration) (alertmanager_notifications_total) > 0",
                "{{integration}}",
            ),
        ),
        lines(
            received,
            "short",
            Query(f"sum(increase(alert_inbox_notifications_total{_WINDOW}))", received["accepted"]),
            Query(f"sum(increase(alert_inbox_refused_notifications_total{_WINDOW}))", received["refused"]),
            Query(f"max(max_over_time(alert_inbox_stored_notifications{_WINDOW}))", received["stored"]),
        ),
    ]  # fmt: skip


def _grafana(texts: Texts) -> Sequence[Panel]:
    up = texts("grafana up")
    failed = 'grafana_http_request_duration_seconds_count{status_code=~"5.."}'
    return [
        number(
            up,
            "none",
            Query('max(up{job="grafana"})', up["title"], now=True),
            width=8,
            height=8,
            mappings=[word(0, up["no"], RED), word(1, up["yes"], BLUE)],
        ),
        lines(
            texts("grafana errors"),
            "reqps",
            Query(
                f"sum by (status_code) (rate({failed}{_WINDOW}))",
                "{{status_code}}",
            ),
        ),
        lines(
            texts("grafana memory"),
            "bytes",
            Query(f'max_over_time(process_resident_memory_bytes{{job="grafana"}}{_WINDOW})', "{{job}}"),
        ),
    ]  # fmt: skip
