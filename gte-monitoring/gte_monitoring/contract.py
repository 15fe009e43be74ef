"""The metric contract: every metric's name, type, labels, bounds and meaning, once.

Rules, dashboards, documents and tests are checked against this list; `docs/metrics.md` holds a table made from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

TASK_TYPES = ("embedding", "similarity", "sentiment", "classification", "qa", "ner", "relation", "event")
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
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
OTHER_METHOD = "other"
UNMATCHED_PATH = "unmatched"

# Seconds. 0.1 to 2 are the tutorial's own steps, 2 being its alert threshold; 30 is the default deadline of a request.
LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
PHASE_BOUNDS = (0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
BATCH_TEXTS_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
BATCH_TOKENS_BOUNDS = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0)
# Those of prometheus_client, which prometheus_flask_exporter uses: existing dashboards expect them.
FLASK_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

Kind = Literal["counter", "gauge", "histogram"]
# Who measures it: each worker for itself; the sum over the workers' request cells (cells.py); the exporter.
Origin = Literal["worker", "cells", "exporter"]


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
        help: what it means, and when to worry.
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


_ANYTHING = ".*"
_TASK = Label("task_type", (*TASK_TYPES, UNKNOWN_TASK))
_TASK_STATUS = Label("status", STATUSES)
_REASON = Label("reason", REASONS)
_PHASE = Label("phase", PHASES)
_PROCESS = Label("process", ("master", "exporter", "supervisor"), r"worker-\d+")
_WORKER = Label("process", (), r"worker-\d+")
_QUEUE = Label("queue", ("accept", "unread"))
_METHOD = Label("method", (*METHODS, OTHER_METHOD))
_PATH = Label("path", (UNMATCHED_PATH,), "/.*")
_HTTP_STATUS = Label("status", (), "[1-5][0-9][0-9]")

CONTRACT: tuple[Metric, ...] = (
    Metric(
        "gte_task_requests_total",
        "counter",
        (_TASK, _TASK_STATUS),
        "Finished requests. error is our fault (5xx), invalid the client's (4xx). "
        "Worry when over 1 % of a task's are errors.",
        "已完成的请求。error 是服务自身的错误（5xx），invalid 是客户端的错误（4xx）。"
        "某任务的 error 超过 1% 时需要关注。",
        "cells",
    ),
    Metric(
        "gte_task_errors_total",
        "counter",
        (_TASK, _REASON),
        "Requests that were not answered with a result, by reason. Worry when internal, overloaded or deadline grow.",
        "没有得到结果的请求，按原因统计。internal、overloaded 或 deadline 增长时需要关注。",
        "cells",
    ),
    Metric(
        "gte_task_latency_seconds",
        "histogram",
        (_TASK,),
        "Whole handling of a request, in seconds. Worry when the 95th percentile stays over 2 s.",
        "处理一个请求的总时间（秒）。P95 持续超过 2 秒时需要关注。",
        "cells",
        LATENCY_BOUNDS,
    ),
    Metric(
        "gte_active_requests",
        "gauge",
        (_TASK,),
        "Requests in flight, over live workers. Worry when it grows while fewer requests finish.",
        "正在处理的请求数，对存活的工作进程求和。它上升而完成的请求减少时需要关注。",
    ),
    Metric(
        "gte_phase_seconds",
        "histogram",
        (_PHASE,),
        "Parts of a request, in seconds. Worry when queue grows beside inference: the machine is full.",
        "请求各阶段的时间（秒）。queue 相对 inference 变长时需要关注：机器已满载。",
        bounds=PHASE_BOUNDS,
    ),
    Metric(
        "gte_queue_depth",
        "gauge",
        (),
        "Texts that wait for their computation, over live workers. Worry when it stays over 0: the machine is full.",
        "等待计算的文本数，对存活的工作进程求和。持续大于 0 时需要关注：机器已满载。",
    ),
    Metric(
        "gte_batch_texts",
        "histogram",
        (),
        "Texts in one computation. Worry when it stays at 1 under load: nothing is computed together.",
        "一次计算中的文本数。高负载下一直为 1 时需要关注：没有合并计算。",
        bounds=BATCH_TEXTS_BOUNDS,
    ),
    Metric(
        "gte_batch_tokens",
        "histogram",
        (),
        "Tokens in one computation. Worry when a new release makes it fall under the same load.",
        "一次计算中的 token 数。相同负载下，新版本使它下降时需要关注。",
        bounds=BATCH_TOKENS_BOUNDS,
    ),
    Metric(
        "gte_input_tokens_total",
        "counter",
        (_TASK,),
        "Tokens computed, special ones included. Worry when it grows faster than the requests: texts get longer.",
        "计算过的 token 数，含特殊 token。比请求数增长更快时需要关注：文本在变长。",
    ),
    Metric(
        "gte_truncated_inputs_total",
        "counter",
        (_TASK,),
        "Texts cut at 512 tokens. Worry when it grows: what was cut off has no influence on the answer.",
        "超过 512 个 token 而被截断的文本数。增长时需要关注：被截去的部分不影响结果。",
    ),
    Metric(
        "gte_inference_busy_seconds_total",
        "counter",
        (),
        "Seconds that inference slots spent computing. "
        "Worry when its rate divided by gte_inference_slots stays over 0.8: little room is left.",
        "推理槽位的计算时间（秒）。其速率除以 gte_inference_slots 持续超过 0.8 时需要关注：余量很小。",
    ),
    Metric(
        "gte_inference_slots",
        "gauge",
        (),
        "Computations that can run at the same time: as many as the CPUs carry, and as there are ready workers. "
        "Worry when it falls.",
        "可同时进行的计算数，取决于 CPU 和就绪的工作进程。下降时需要关注。",
        "exporter",
    ),
    Metric(
        "gte_model_info",
        "gauge",
        tuple(Label(name, (), _ANYTHING) for name in ("model", "revision", "precision", "device", "engine")),
        "1 for the model that answers; joins any series with the model's version. "
        "Worry when model is builtin:lexical in production: that is the demo model.",
        "当前应答的模型，值为 1；可与任何序列关联模型版本。"
        "生产环境中 model 为 builtin:lexical 时需要关注：那是演示模型。",
        "exporter",
    ),
    Metric(
        "gte_model_ready",
        "gauge",
        (),
        "1 when the model has answered a probe text in every worker. Worry when it stays 0.",
        "模型在每个工作进程中都已应答探测文本时为 1。持续为 0 时需要关注。",
        "exporter",
    ),
    Metric(
        "gte_model_load_seconds",
        "gauge",
        (),
        "Longest time a live worker took to load the model. Worry when it is much more than at the last start.",
        "存活的工作进程中最长的模型加载时间（秒）。远高于上次启动时需要关注。",
        "exporter",
    ),
    Metric(
        "gte_model_download_bytes",
        "gauge",
        (),
        "Bytes of the model that have arrived. Worry when it stands still below gte_model_download_total_bytes.",
        "已下载的模型字节数。低于 gte_model_download_total_bytes 却停滞不动时需要关注。",
        "exporter",
    ),
    Metric(
        "gte_model_download_total_bytes",
        "gauge",
        (),
        "Bytes of the model in all; 0 if none are fetched. Worry when it is more than the disk has left.",
        "模型的总字节数；不下载时为 0。超过磁盘剩余空间时需要关注。",
        "exporter",
    ),
    Metric(
        "gte_server_up",
        "gauge",
        (),
        "1 when a worker's main loop has turned lately, 0 when the server is dead or hangs. "
        "Worry when it is 0: nothing answers requests.",
        "有工作进程的主循环近期运转过时为 1；服务已死或卡住时为 0。为 0 时需要关注：没有进程应答请求。",
        "exporter",
    ),
    Metric(
        "gte_workers",
        "gauge",
        (),
        "Live worker processes. Worry when there are fewer than configured; 0 means that nothing answers requests.",
        "存活的工作进程数。少于配置的数量时需要关注；0 表示没有进程应答请求。",
        "exporter",
    ),
    Metric(
        "gte_worker_restarts_total",
        "counter",
        (),
        "Workers started in place of earlier ones, by recycling, reload or death. "
        "Worry when it grows without a reload or GTE_MAX_REQUESTS: workers die.",
        "接替旧进程而启动的工作进程数（回收、重载或死亡）。"
        "没有重载也没有设置 GTE_MAX_REQUESTS 却增长时需要关注：工作进程在死亡。",
        "exporter",
    ),
    Metric(
        "gte_worker_heartbeat_age_seconds",
        "gauge",
        (_WORKER,),
        "Seconds since a worker's main loop last turned; gunicorn's threaded worker does so once a second. "
        "Worry when it is over 5: the worker hangs.",
        "工作进程主循环上次运转至今的秒数；gunicorn 的线程型工作进程每秒一次。超过 5 时需要关注：该进程卡住。",
        "exporter",
    ),
    Metric(
        "gte_backlog_connections",
        "gauge",
        (_QUEUE,),
        "Connections that wait: accept to be taken from the kernel, unread with a request nobody has begun to read. "
        "Worry when it stays over 0: every thread is busy, and this time is in no latency.",
        "等待中的连接：accept 在内核队列中等待接受，unread 的请求尚未被读取。"
        "持续大于 0 时需要关注：所有线程都忙，而这段时间不计入任何延迟。",
        "exporter",
    ),
    Metric(
        "gte_process_cpu_seconds_total",
        "counter",
        (_PROCESS,),
        "CPU time of a live process, in seconds. "
        "Worry when a worker's rate is at its limit of CPUs without requests, or 0 with them.",
        "存活进程的 CPU 时间（秒）。没有请求却占满 CPU，或有请求却为 0 时需要关注。",
        "exporter",
    ),
    Metric(
        "gte_process_resident_memory_bytes",
        "gauge",
        (_PROCESS,),
        "Resident memory (RSS) of a live process; the shared weights count in each. Worry when it only ever grows.",
        "存活进程的常驻内存（RSS）；共享的权重在每个进程中都计入。只增不减时需要关注。",
        "exporter",
    ),
    Metric(
        "gte_process_proportional_memory_bytes",
        "gauge",
        (_PROCESS,),
        "Proportional memory (PSS) of a live process: shared pages divided by their users, so the sum is true; "
        "looked at every 30 s. Worry when the sum nears the container's limit.",
        "存活进程的按比例内存（PSS）：共享页除以使用者数，因此总和真实；每 30 秒更新。总和接近容器上限时需要关注。",
        "exporter",
    ),
    Metric(
        "gte_process_open_fds",
        "gauge",
        (_PROCESS,),
        "Open file descriptors of a live process. Worry when it only ever grows: at the limit nothing is accepted.",
        "存活进程打开的文件描述符数。只增不减时需要关注：达到上限后不再接受连接。",
        "exporter",
    ),
    Metric(
        "gte_process_threads",
        "gauge",
        (_PROCESS,),
        "Threads of a live process. Worry when it only ever grows.",
        "存活进程的线程数。只增不减时需要关注。",
        "exporter",
    ),
    Metric(
        "gte_process_start_time_seconds",
        "gauge",
        (_PROCESS,),
        "Start of a live process, in seconds since 1970; time() minus it is the age. "
        "Worry when a worker's is young though nobody restarted it.",
        "存活进程的启动时间（Unix 秒）；time() 减去它即为运行时长。没有人重启、工作进程却很新时需要关注。",
        "exporter",
    ),
    Metric(
        "gte_counters_start_time_seconds",
        "gauge",
        (),
        "When every counter was 0, in seconds since 1970; restarts don't change it. "
        "Worry when it changes: the counts before that are lost.",
        "所有计数器为 0 的时刻（Unix 秒）；重启不会改变它。发生变化时需要关注：之前的计数已丢失。",
        "exporter",
    ),
    Metric(
        "gte_metric_files_set_aside_total",
        "counter",
        (),
        "Metric files that were damaged and are read no more. Worry when it grows: see the log and the disk.",
        "已损坏且不再读取的指标文件数。增长时需要关注：查看日志和磁盘。",
        "exporter",
    ),
    Metric(
        "flask_http_request_duration_seconds",
        "histogram",
        (_METHOD, _PATH, _HTTP_STATUS),
        "Flask HTTP request duration in seconds, by URL rule. Worry as for gte_task_latency_seconds.",
        "Flask HTTP 请求的时间（秒），按 URL 规则。关注点同 gte_task_latency_seconds。",
        "cells",
        FLASK_BOUNDS,
    ),
    Metric(
        "flask_http_request_total",
        "counter",
        (_METHOD, _HTTP_STATUS),
        "Total number of HTTP requests. Worry when the share of 5xx grows.",
        "HTTP 请求总数。5xx 的比例上升时需要关注。",
        "cells",
    ),
    Metric(
        "flask_http_request_exceptions_total",
        "counter",
        (_METHOD, _HTTP_STATUS),
        "Total number of HTTP requests which resulted in an exception. Worry when it grows: the log has the traceback.",
        "以异常结束的 HTTP 请求数。增长时需要关注：日志中有 traceback。",
    ),
    Metric(
        "flask_exporter_info",
        "gauge",
        (Label("version", (), _ANYTHING),),
        "1 for the version of this exporter. Worry when replicas differ.",
        "本导出器的版本，值为 1。各副本不一致时需要关注。",
        "exporter",
    ),
)


def metric(name: str) -> Metric:
    """The contract's entry of a name.

    Raises:
        KeyError: there is no such metric in the contract.
    """
    return _BY_NAME[name]


_BY_NAME = {entry.name: entry for entry in CONTRACT}
