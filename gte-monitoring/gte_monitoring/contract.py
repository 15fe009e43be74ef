"""The metric contract: how a metric is described, and the metrics that any measured Flask app has.

It imports the standard library only, so that documents and rules can be checked against it anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

UNKNOWN_TASK = "unknown"
STATUSES = ("success", "error", "invalid")
REASONS = (
    "invalid_json",
    "invalid_input",
    "unknown_task",
    "too_large",
    "unauthorized",
    "overloaded",
    "deadline",
    "model_not_ready",
    "internal",
)
PHASES = ("tokenize", "queue", "inference", "postprocess")
# The phase of the time that is in none of these.
REST = "rest"
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
OTHER_METHOD = "other"
UNMATCHED_PATH = "unmatched"

# Seconds. 0.1, 0.2, 0.5, 1 and 2 are the tutorial's own steps, 2 being its alert threshold; 30 is the default deadline
# of a request. A percentile is interpolated within a bucket, so a wide bucket makes it wrong: 0.35, 0.75, 1.5 and 3
# split those in which a slow P95 lies.
LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
PHASE_BOUNDS = (0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# Those of prometheus_client, which prometheus_flask_exporter uses: existing dashboards expect them.
FLASK_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

Kind = Literal["counter", "gauge", "histogram"]
# Who measures it: each worker for itself; the sum over the workers' request series; the exporter.
Origin = Literal["worker", "requests", "exporter"]


@dataclass(frozen=True)
class Label:
    """A label and the values it can have.

    Attributes:
        name: the label's name.
        values: all its values, none where they aren't known beforehand.
        pattern: a regular expression of the values besides these, "" where there are no others.
    """

    name: str
    values: tuple[str, ...] = ()
    pattern: str = ""

    def allows(self, value: str) -> bool:
        """Whether the label can have this value."""
        return value in self.values or bool(self.pattern and re.fullmatch(self.pattern, value))


@dataclass(frozen=True)
class Metric:
    """One metric of the contract.

    Attributes:
        name: as Prometheus sees it, `_total` included.
        kind: `counter`, `gauge` or `histogram`.
        labels: its labels.
        help: what it means, and when to alert.
        help_zh: the same in Chinese.
        origin: who measures it.
        bounds: upper bounds of a histogram's buckets, in the metric's unit.
    """

    name: str
    kind: Kind
    labels: tuple[Label, ...]
    help: str
    help_zh: str
    origin: Origin = "worker"
    bounds: tuple[float, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels, in order."""
        return tuple(label.name for label in self.labels)


_PROCESS = Label("process", ("master", "exporter", "supervisor"), r"worker-\d+")
_METHOD = Label("method", (*METHODS, OTHER_METHOD))
_HTTP_STATUS = Label("status", (), "[1-5][0-9][0-9]")

# One entry a metric: name, kind and labels; help; Chinese help; who measures it, bounds.
# fmt: off
_EXPORTER: tuple[Metric, ...] = (
    Metric("gte_server_up", "gauge", (),
           "1 when a worker's main loop has run recently, 0 when the server is dead or hangs. "
           "Alert when it is 0: nothing answers requests.",
           "有工作进程的主循环近期运行过时为 1；服务已停止或卡住时为 0。为 0 时应告警：没有进程应答请求。", "exporter"),
    Metric("gte_workers", "gauge", (),
           "Live worker processes. Alert when there are fewer than configured; at 0, nothing answers requests.",
           "存活的工作进程数。少于配置的数量时应告警；为 0 时没有进程应答请求。", "exporter"),
    Metric("gte_unmeasured_workers", "gauge", (),
           "Live workers that have no metric files, because there is no room for them or their folder is gone: they "
           "answer requests that are counted nowhere. Alert when it stays above 0: make room, then reload.",
           "没有指标文件的存活工作进程数（磁盘空间不足，或目录已消失）：它们照常应答请求，但不计入任何指标。"
           "持续大于 0 时应告警：腾出空间后重载。", "exporter"),
    Metric("gte_worker_restarts_total", "counter", (),
           "Workers started to replace earlier ones that were recycled, reloaded or died. "
           "Alert when it grows without a reload or GTE_MAX_REQUESTS: workers are dying.",
           "为接替旧进程（因回收、重载或异常退出）而启动的工作进程数。"
           "没有重载也没有设置 GTE_MAX_REQUESTS 却增长时应告警：工作进程在异常退出。", "exporter"),
    Metric("gte_worker_heartbeat_age_seconds", "gauge", (Label("process", (), r"worker-\d+"),),
           "Seconds since a worker's main loop last ran; in gunicorn's threaded worker it runs once a second. "
           "Alert when it exceeds 5: the worker hangs.",
           "工作进程主循环上次运行至今的秒数；gunicorn 的线程型工作进程每秒运行一次。超过 5 时应告警：该进程卡住。",
           "exporter"),
    Metric("gte_backlog_connections", "gauge", (Label("queue", ("accept", "unread")),),
           "Waiting connections: accept counts those the server has not accepted yet, unread those it accepted whose "
           "request it has not begun to read. "
           "Alert when it stays above 0: every thread is busy, and no latency metric includes this time.",
           "等待中的连接数：accept 为服务尚未接受的连接，unread 为已接受但尚未开始读取请求的连接。"
           "持续大于 0 时应告警：所有线程都忙，而这段时间不计入任何延迟指标。", "exporter"),
    Metric("gte_process_cpu_seconds_total", "counter", (_PROCESS,),
           "CPU time of a live process, in seconds. "
           "Alert when a worker uses all its CPUs without requests, or none of them under load.",
           "存活进程的 CPU 时间（秒）。工作进程没有请求却占满 CPU，或有请求却不占用 CPU 时应告警。", "exporter"),
    Metric("gte_process_resident_memory_bytes", "gauge", (_PROCESS,),
           "Resident memory (RSS) of a live process; memory that processes share counts in each of them. "
           "Alert when it grows without end.",
           "存活进程的常驻内存（RSS）；进程间共享的内存在每个进程中都计入。持续增长时应告警。", "exporter"),
    Metric("gte_process_proportional_memory_bytes", "gauge", (_PROCESS,),
           "Proportional memory (PSS) of a live process, read every 30 s: shared pages are divided among the processes "
           "that share them, so the sum over processes is the memory used. "
           "Alert when the sum approaches the container's limit.",
           "存活进程的按比例内存（PSS），每 30 秒读取一次：共享页由各使用者平摊，因此各进程之和即为实际占用。"
           "总和接近容器上限时应告警。", "exporter"),
    Metric("gte_process_open_fds", "gauge", (_PROCESS,),
           "Open file descriptors of a live process. "
           "Alert when it grows without end: at the limit, the process accepts no more connections.",
           "存活进程打开的文件描述符数。持续增长时应告警：达到上限后不再接受连接。", "exporter"),
    Metric("gte_process_threads", "gauge", (_PROCESS,),
           "Threads of a live process. Alert when it grows without end.",
           "存活进程的线程数。持续增长时应告警。", "exporter"),
    Metric("gte_process_start_time_seconds", "gauge", (_PROCESS,),
           "When a live process was started, in seconds since 1970; time() minus this is its age. "
           "Alert when a worker is young although nobody restarted it.",
           "存活进程的启动时间（Unix 秒）；time() 减去它即为运行时长。没有人重启、工作进程却刚启动时应告警。",
           "exporter"),
    Metric("gte_counters_start_time_seconds", "gauge", (),
           "When every counter was 0, in seconds since 1970; restarts do not change it. "
           "Alert when it changes: the counts before that time are lost.",
           "所有计数器从 0 开始计数的时刻（Unix 秒）；重启不会改变它。发生变化时应告警：此前的计数已丢失。",
           "exporter"),
    Metric("gte_metric_files_set_aside_total", "counter", (),
           "Metric files that were found damaged and are no longer read. "
           "Alert when it grows: check the log and the disk.",
           "因损坏而不再读取的指标文件数。增长时应告警：请检查日志和磁盘。", "exporter"),
    Metric("flask_exporter_info", "gauge", (Label("version", (), ".*"),),
           "1, with the version of gte-monitoring as a label. Alert when replicas differ.",
           "值为 1，标签为 gte-monitoring 的版本。各副本版本不一致时应告警。", "exporter"),
)
_HTTP: tuple[Metric, ...] = (
    Metric("flask_http_request_duration_seconds", "histogram",
           (_METHOD, Label("path", (UNMATCHED_PATH,), "/.*"), _HTTP_STATUS),
           "Time to handle an HTTP request, in seconds, by URL rule. Alert as for gte_task_latency_seconds.",
           "处理 HTTP 请求的时间（秒），按 URL 规则统计。告警条件同 gte_task_latency_seconds。",
           "requests", FLASK_BOUNDS),
    Metric("flask_http_request_total", "counter", (_METHOD, _HTTP_STATUS),
           "HTTP requests. Alert when the share of 5xx responses grows.",
           "HTTP 请求总数。5xx 的比例上升时应告警。", "requests"),
    Metric("flask_http_request_exceptions_total", "counter", (_METHOD, _HTTP_STATUS),
           "HTTP requests that ended in an unhandled exception. Alert when it grows: the log has the traceback.",
           "因未处理的异常而结束的 HTTP 请求数。增长时应告警：日志中有 traceback。"),
)

# fmt: on


def general_metrics(task_types: Iterable[str]) -> tuple[Metric, ...]:
    """The metrics that any measured app has.

    Args:
        task_types: the app's tasks.
    """
    task = Label("task_type", (*task_types, UNKNOWN_TASK))
    # fmt: off
    return (
        Metric("gte_task_requests_total", "counter", (task, Label("status", STATUSES)),
               "Finished requests. error means the server failed (5xx), "
               "invalid that the client sent a bad request (4xx). "
               "Alert when more than 1% of a task's requests fail.",
               "已完成的请求数。error 为服务端错误（5xx），invalid 为客户端错误（4xx）。"
               "某任务的 error 超过 1% 时应告警。", "requests"),
        Metric("gte_task_errors_total", "counter", (task, Label("reason", REASONS)),
               "Requests that got no result, by reason. Alert when internal, overloaded or deadline grow.",
               "没有得到结果的请求数，按原因统计。internal、overloaded 或 deadline 增长时应告警。", "requests"),
        Metric("gte_task_latency_seconds", "histogram", (task,),
               "Time to handle a request from arrival to answer, in seconds. "
               "Alert when the 95th percentile stays above 2 s.",
               "请求从到达到应答的总处理时间（秒）。P95 持续超过 2 秒时应告警。", "requests", LATENCY_BOUNDS),
        Metric("gte_active_requests", "gauge", (task,),
               "Requests being handled, summed over live workers. Alert when it grows while fewer requests finish.",
               "正在处理的请求数，对存活的工作进程求和。它上升而完成的请求减少时应告警。"),
        Metric("gte_phase_seconds", "histogram", (Label("phase", PHASES),),
               "Time spent in each phase of a request, in seconds. "
               "Alert when queue grows relative to inference: the machine is at capacity.",
               "请求各阶段的时间（秒）。queue 相对 inference 变长时应告警：机器已满载。", bounds=PHASE_BOUNDS),
        Metric("gte_task_phase_seconds_total", "counter", (task, Label("phase", (*PHASES, REST))),
               "Time of a task's finished requests in each phase, in seconds; rest is the time outside the others. "
               "The sum over phases is gte_task_latency_seconds_sum. "
               "Alert when the share of queue grows: the task waits for others.",
               "某任务已完成请求在各阶段的时间（秒）；rest 为其余各阶段之外的时间。"
               "各阶段之和即 gte_task_latency_seconds_sum。queue 的占比上升时应告警：该任务在排队。"),
        Metric("gte_input_tokens_total", "counter", (task,),
               "Tokens processed, including special tokens. "
               "Alert when it grows faster than the number of requests: texts are getting longer.",
               "处理的 token 数，含特殊 token。比请求数增长更快时应告警：文本在变长。"),
        Metric("gte_truncated_inputs_total", "counter", (task,),
               "Texts truncated because they were too long. "
               "Alert when it grows: the part that was cut off does not influence the answer.",
               "因过长而被截断的文本数。增长时应告警：被截去的部分不影响结果。"),
        *_EXPORTER,
        *_HTTP,
    )
    # fmt: on


GENERAL = {entry.name: entry for entry in general_metrics(())}
"""The general metrics by name, for what doesn't depend on an app's tasks: help text, names of labels, bounds."""
