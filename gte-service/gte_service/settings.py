"""The settings of the service: read once from the environment, checked, and frozen."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gte_service.errors import SettingsError

BUILTIN_LEXICAL = "builtin:lexical"
# Beyond this the small steps between the matrix products eat what more threads gain.
MOST_THREADS = 8
# So that a computation takes about as long whatever the CPUs: a text that has just missed one waits for its end.
BATCH_TOKENS_PER_THREAD = 256
PRECISIONS = ("fp32", "bf16", "int8")
DEFAULT_MODEL = "iic/nlp_gte_sentence-embedding_chinese-large"


@dataclass(frozen=True)
class Settings:
    """What the environment says, checked.

    Attributes:
        model: a ModelScope id (`owner/name`) or `builtin:lexical`.
        model_revision: the branch, tag or commit asked of ModelScope.
        model_dir: a local folder that holds the model; if set, nothing is fetched.
        model_dir_shown: how that folder is called outside of the container, "" if the same.
        precision: what the linear layers are computed in: fp32, bf16 or int8.
        models_home: where fetched and prepared models are kept.
        run_dir: small files of this run (metrics, states); on tmpfs, wiped at the start.
        port: the API's TCP port.
        metrics_port: the exporter's TCP port.
        workers: gunicorn processes.
        threads: requests a worker handles at a time; more than the queue holds, so that probes and refusals find one.
        torch_threads: threads of one computation.
        computations: how many workers may compute at the same time.
        max_requests: requests after which a worker is replaced; 0 is never.
        batch_tokens: tokens of one computation.
        queue_texts: texts that may wait in a worker; more are refused at once.
        deadline_seconds: longest time a request may take.
        hang_seconds: a computation that takes longer has hung, and its worker is replaced.
        max_body_bytes: longest request body in bytes.
        max_texts: most texts in one request.
        links: addresses shown on the page, by name.
    """

    model: str
    model_revision: str
    model_dir: Path | None
    model_dir_shown: str
    precision: str
    models_home: Path
    run_dir: Path
    port: int
    metrics_port: int
    workers: int
    threads: int
    torch_threads: int
    computations: int
    max_requests: int
    batch_tokens: int
    queue_texts: int
    deadline_seconds: int
    hang_seconds: int
    max_body_bytes: int
    max_texts: int
    links: Mapping[str, str]

    @property
    def metrics_dir(self) -> Path:
        """Where the workers keep their metric files."""
        return self.run_dir / "metrics"

    @property
    def model_name(self) -> str:
        """The model's name for people: its id, or the folder's path."""
        return self.model_dir_shown or str(self.model_dir) if self.model_dir else self.model

    @property
    def is_demo(self) -> bool:
        """Whether the model is the built-in demo model."""
        return self.model_dir is None and self.model == BUILTIN_LEXICAL


def read_settings(environ: Mapping[str, str] = os.environ, cpus: float | None = None) -> Settings:
    """Read and check the settings.

    Args:
        environ: an empty value counts as "not set", as Compose hands on an unset variable.
        cpus: what the sizes are computed from where they aren't set; None: what this process may use.

    Raises:
        SettingsError: a value can't be used; the message names the variable.
    """
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    whole_cpus = max(1, int(available_cpus() if cpus is None else cpus))
    torch_threads = _whole(given, "GTE_TORCH_THREADS", min(whole_cpus, MOST_THREADS), 1, 256)
    computations = max(1, whole_cpus // torch_threads)
    model = given.get("GTE_MODEL", DEFAULT_MODEL)
    if model != BUILTIN_LEXICAL and (model.startswith("builtin:") or model.count("/") != 1 or " " in model):
        raise SettingsError(
            f"GTE_MODEL={model!r} is neither a ModelScope id nor a built-in model. Write owner/name, for example "
            f"{DEFAULT_MODEL}, or {BUILTIN_LEXICAL} for the demo model. A local folder goes into GTE_MODEL_DIR."
        )
    links = {
        name: given[variable]
        for name, variable in (
            ("Grafana", "GTE_GRAFANA_URL"),
            ("Prometheus", "GTE_PROMETHEUS_URL"),
            ("Alert inbox", "GTE_ALERT_INBOX_URL"),
        )
        if variable in given
    }
    return Settings(
        model=model,
        model_revision=given.get("GTE_MODEL_REVISION", "master"),
        model_dir=Path(given["GTE_MODEL_DIR"]) if "GTE_MODEL_DIR" in given else None,
        model_dir_shown=given.get("GTE_MODEL_DIR_SHOWN", ""),
        precision=_one_of(given, "GTE_PRECISION", PRECISIONS),
        models_home=Path(given.get("GTE_MODELS_HOME", "/models")),
        run_dir=Path(given.get("GTE_RUN_DIR", "/run/gte")),
        port=_whole(given, "GTE_LISTEN_PORT", 5000, 1, 65535),
        metrics_port=_whole(given, "GTE_METRICS_LISTEN_PORT", 9090, 1, 65535),
        # One more than compute at a time: when one dies or hangs, the rest lose nothing.
        workers=_whole(given, "GTE_WORKERS", computations + 1, 1, 64),
        threads=_whole(given, "GTE_THREADS", 128, 1, 1024),
        torch_threads=torch_threads,
        computations=computations,
        max_requests=_whole(given, "GTE_MAX_REQUESTS", 0, 0, 10**9),
        batch_tokens=_whole(given, "GTE_BATCH_TOKENS", BATCH_TOKENS_PER_THREAD * torch_threads, 1, 1 << 20),
        queue_texts=_whole(given, "GTE_QUEUE_TEXTS", 96, 1, 1 << 20),
        deadline_seconds=_whole(given, "GTE_DEADLINE_SECONDS", 30, 1, 3600),
        hang_seconds=_whole(given, "GTE_HANG_SECONDS", 60, 1, 3600),
        max_body_bytes=_whole(given, "GTE_MAX_BODY_BYTES", 1 << 20, 1 << 10, 1 << 30),
        max_texts=_whole(given, "GTE_MAX_TEXTS", 256, 1, 100_000),
        links=links,
    )


def available_cpus() -> float:
    """CPUs this process may use: the cgroup's limit, or the CPUs it is allowed on, whichever is less."""
    allowed = float(len(os.sched_getaffinity(0)))
    for quota_file, period_file in (
        ("/sys/fs/cgroup/cpu.max", None),
        ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
    ):
        try:
            words = Path(quota_file).read_text().split()
            if period_file:
                words += Path(period_file).read_text().split()
        except OSError:
            continue
        if len(words) == 2 and words[0] not in {"max", "-1"}:
            return min(allowed, int(words[0]) / int(words[1]))
    return allowed


def _one_of(given: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """One of the choices, the first if nothing is given."""
    text = given.get(name, choices[0])
    if text not in choices:
        raise SettingsError(f"{name}={text!r} is none of {', '.join(choices)}. Correct it in .env.")
    return text


def _whole(given: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    try:
        value = int(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise SettingsError(f"{name}={text!r} is not a whole number from {low} to {high}. Correct it in .env.")
    return value
