"""The service's metric contract: every metric's name, type, labels, bounds and meaning, once.

Rules, dashboards, documents and tests are checked against `CONTRACT`; `docs/metrics.md` holds a table made from it. Its
task types are the files of `tasks/types/`. It imports the standard library only.
"""

from __future__ import annotations

from gte_monitoring.contract import Label, Metric, general_metrics
from gte_service.tasks.types import TASK_TYPES

__all__ = ["BY_NAME", "CONTRACT", "INFERENCE_METRICS", "TASK_TYPES", "UNFINISHED"]

_BATCH_TEXTS_BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)
_TASK = Label("task_type", TASK_TYPES)
_LIMITED = ("cpus", "memory_bytes", "threads", "queue_texts", "batch_tokens")
# What becomes of a request that never arrives in full.
UNFINISHED = ("silent", "late", "displaced")
_BATCH_TOKENS_BOUNDS = (16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0)

# One entry a metric: name, kind and labels; help; Chinese help; who measures it, bounds.
# fmt: off
INFERENCE_METRICS: tuple[Metric, ...] = (
    Metric("gte_queue_depth", "gauge", (),
           "Texts waiting to be computed, summed over live workers. "
           "Alert when it stays above 0: the machine is at capacity.",
           "等待计算的文本数，对存活的工作进程求和。持续大于 0 时应告警：机器已满载。"),
    Metric("gte_batch_texts", "histogram", (),
           "Texts per batch. Alert when it stays at 1 under load: texts are not being batched.",
           "每个批次的文本数。高负载下一直为 1 时应告警：没有合并计算。", bounds=_BATCH_TEXTS_BOUNDS),
    Metric("gte_batch_tokens", "histogram", (),
           "Tokens per batch. Alert when it falls after a release under the same load.",
           "每个批次的 token 数。新版本发布后在相同负载下下降时应告警。", bounds=_BATCH_TOKENS_BOUNDS),
    Metric("gte_inference_busy_seconds_total", "counter", (),
           "Seconds that inference slots spent computing. "
           "Alert when its rate divided by gte_inference_slots stays above 0.8: little capacity is left.",
           "推理槽位的计算时间（秒）。其速率除以 gte_inference_slots 持续超过 0.8 时应告警：余量很小。"),
    Metric("gte_inference_slots", "gauge", (),
           "Batches that can be computed at the same time: as many as the CPUs carry and as there are ready workers. "
           "Alert when it falls.",
           "可同时计算的批次数，取决于 CPU 和就绪的工作进程数。下降时应告警。", "exporter"),
    Metric("gte_arriving_requests", "gauge", (),
           "Connections whose request has not arrived in full, silent ones included, summed over live workers; they "
           "hold no thread. Alert when it stays high: clients that send slowly, or never, are many.",
           "请求尚未完整到达的连接数（包括未发送任何数据的连接），对存活的工作进程求和；它们不占用线程。"
           "持续偏高时应告警：有大量客户端发送缓慢，或始终不发送。"),
    Metric("gte_unfinished_requests_total", "counter", (Label("reason", UNFINISHED),),
           "Connections ended because no complete request came: silent sent nothing, late lacked a part of the request "
           "at the deadline (GTE_DEADLINE_SECONDS), displaced gave way to newer ones because there were too many. "
           "Alert when it grows fast: somebody opens connections and doesn't use them.",
           "因没有收到完整请求而结束的连接数：silent 为没有发送任何数据，"
           "late 为到截止时间（GTE_DEADLINE_SECONDS）时请求仍不完整，"
           "displaced 为连接过多时让位给新连接。快速增长时应告警：有人建立连接却不使用。"),
    Metric("gte_model_info", "gauge",
           tuple(Label(name, (), ".*") for name in ("model", "revision", "precision", "device", "engine")),
           "1, with the model that answers as labels; join it to add the model's version to a series. "
           "Alert when model is builtin:lexical in production: that is the demo model.",
           "值为 1，标签描述当前应答的模型；可与其他序列关联以获得模型版本。"
           "生产环境中 model 为 builtin:lexical 时应告警：那是演示模型。", "exporter"),
    Metric("gte_model_speedup_ratio", "gauge", (),
           "Speed of one of the model's layers in its precision, divided by the speed in fp32: measured at the "
           "start on one thread, with random weights; 1 for fp32. There is no series until it is known. "
           "Alert when it is below 1: fp32 would be faster, and exact.",
           "模型的一层在所选精度下的速度与 fp32 之比：启动时在单线程上用随机权重测得；fp32 时为 1。测得之前没有该序列。"
           "小于 1 时应告警：fp32 更快，而且精确。", "exporter"),
    Metric("gte_model_ready", "gauge", (),
           "1 when the model has answered a probe text in every worker. Alert when it stays at 0.",
           "模型在每个工作进程中都已应答探测文本时为 1。持续为 0 时应告警。", "exporter"),
    Metric("gte_model_load_seconds", "gauge", (),
           "Longest time that a live worker took to load the model. "
           "Alert when it is much longer than at the last start.",
           "存活的工作进程中最长的模型加载时间（秒）。远高于上次启动时应告警。", "exporter"),
    Metric("gte_model_download_bytes", "gauge", (),
           "Bytes of the model downloaded so far. Alert when it stops growing below gte_model_download_total_bytes.",
           "已下载的模型字节数。低于 gte_model_download_total_bytes 却不再增长时应告警。", "exporter"),
    Metric("gte_model_download_total_bytes", "gauge", (),
           "Size of the model download in bytes; 0 when nothing is downloaded. "
           "Alert when it exceeds the free disk space.",
           "需下载的模型总字节数；不下载时为 0。超过磁盘剩余空间时应告警。", "exporter"),
    Metric("gte_probe_success", "gauge", (_TASK,),
           "1 when the service answered the last question that it asked itself for a task within 10 s, otherwise 0; "
           "it asks one every 15 s, by POST /predict. There is no series until the model has been ready once. "
           "Alert when it stays at 0: clients get no answer either, even if none asks now.",
           "服务对该任务的上一次自我探测在 10 秒内得到结果时为 1，否则为 0；每 15 秒通过 POST /predict 探测一次。"
           "模型首次就绪之前没有该序列。持续为 0 时应告警：客户端同样得不到结果，即使此刻没有人请求。", "exporter"),
    Metric("gte_probe_seconds", "gauge", (_TASK,),
           "Seconds until that question was answered, or was given up. "
           "Alert as for gte_task_latency_seconds; it says so for a task that nobody asks, too.",
           "上述探测从发出到得到应答或放弃的秒数。告警条件同 gte_task_latency_seconds；没有人请求的任务也有该值。",
           "exporter"),
    Metric("gte_limit", "gauge", (Label("resource", _LIMITED),),
           "What this replica may use at most: CPUs; bytes of memory (the container's limit, no series where it has "
           "none below the machine's memory); requests in flight and texts in the queue, of all workers together; "
           "tokens of one batch. Alert when the use comes near: gte_process_proportional_memory_bytes, "
           "gte_active_requests or gte_queue_depth, each summed.",
           "本副本的上限：CPU 数；内存字节数（容器的限制，没有低于机器内存的限制时无此序列）；"
           "所有工作进程合计的处理中请求数与排队文本数；一个批次的 token 数。用量接近上限时应告警："
           "gte_process_proportional_memory_bytes、gte_active_requests、gte_queue_depth 各自求和后比较。", "exporter"),
)
# fmt: on
"""What only a service that computes a model has."""

CONTRACT = (*general_metrics(TASK_TYPES), *INFERENCE_METRICS)
"""Every metric of the service."""

BY_NAME = {metric.name: metric for metric in CONTRACT}
"""The same, each by its name."""
