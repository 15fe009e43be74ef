"""The settings of the service: read once from the environment, checked, and frozen."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gte_service.errors import SettingsError

BUILTIN_LEXICAL = "builtin:lexical"
# With more threads the small steps between the matrix products take up the gain.
MOST_THREADS = 8
# Keeps the length of a computation about the same on any number of CPUs: a new text waits for the current one.
BATCH_TOKENS_PER_THREAD = 256
# As much as OpenAI's embeddings take, and twice the bytes of so many tokens as JSON, where a Chinese character is often
# \uXXXX.
MAX_TEXTS = 2048
MAX_TOKENS = 300_000
MAX_BODY_BYTES = 4 << 20
# In units of GTE_HANG_SECONDS, after which loading the model counts as hung: a cold disk reads 1.3 GB in 2 minutes.
LOADS_MAY_TAKE = 2
# Between the deadline of the last request and its answer's way to the client.
_LAST_ANSWERS_SECONDS = 5
PRECISIONS = ("fp32", "bf16", "int8")
# Long enough that keys can't be guessed by trying.
SHORTEST_KEY = 16
# The = at the end of base64 is part of a key.
_NAMED_KEY = re.compile(r"(?:export\s+|set\s+)?[A-Za-z_][\w.-]*\s*=\s*[^=\s]")
_QUOTES = "\"'`,;“”‘’"
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?")
DEFAULT_MODEL = "iic/nlp_gte_sentence-embedding_chinese-large"


@dataclass(frozen=True)
class Settings:
    """The settings in the environment, checked.

    Attributes:
        model: a ModelScope id (`owner/name`) or `builtin:lexical`.
        model_revision: the branch, tag or commit to download from ModelScope.
        model_dir: a local folder that holds the model; if set, nothing is downloaded.
        model_dir_shown: that folder's path outside of the container, "" if it is the same.
        precision: what the linear layers are computed in: fp32, bf16 or int8.
        models_home: where downloaded and prepared models are kept.
        run_dir: small files of this run (states, locks); on tmpfs, wiped at the start.
        metrics_dir: the workers' metric files; a restarted container continues them.
        port: the API's TCP port.
        metrics_port: the exporter's TCP port.
        workers: gunicorn processes.
        threads: requests a worker handles at a time.
        torch_threads: threads of one computation.
        computations: how many workers may compute at the same time.
        max_requests: requests after which a worker is replaced; 0 is never.
        batch_tokens: tokens of one computation.
        queue_texts: while so many texts wait in a worker, further requests are refused at once.
        deadline_seconds: longest time a request may take, from its first byte to its answer.
        hang_seconds: a computation that takes longer is taken to hang, and its worker is replaced.
        probe_seconds: how often the service asks itself a question of each task; 0 is never.
        max_body_bytes: longest request body in bytes.
        max_texts: most texts that are computed for one request.
        max_tokens: most tokens that are computed for one request.
        api_keys: keys that clients may use; none means that no key is required. Not part of the repr.
        cors_origins: origins whose pages may send requests from a browser, as `scheme://host[:port]`, or `*` for all.
        model_aliases: further names of the model for clients of /v1.
        links: addresses shown on the page, by name.
    """

    model: str
    model_revision: str
    model_dir: Path | None
    model_dir_shown: str
    precision: str
    models_home: Path
    run_dir: Path
    metrics_dir: Path
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
    probe_seconds: int
    max_body_bytes: int
    max_texts: int
    max_tokens: int
    api_keys: tuple[str, ...] = field(repr=False)
    cors_origins: tuple[str, ...]
    model_aliases: tuple[str, ...]
    links: Mapping[str, str]

    @property
    def model_name(self) -> str:
        """The model's name for people: its id, or the folder's path."""
        return self.model_dir_shown or str(self.model_dir) if self.model_dir else self.model

    @property
    def queue_requests(self) -> int:
        """Requests that may wait or be computed in a worker; the other threads are free for probes and refusals."""
        return max(1, self.threads * 3 // 4)

    @property
    def stop_seconds(self) -> int:
        """How long a worker that is told to stop may take: its last request may have arrived just before."""
        return self.deadline_seconds + _LAST_ANSWERS_SECONDS

    @property
    def is_demo(self) -> bool:
        """Whether the model is the built-in demo model."""
        return self.model_dir is None and self.model == BUILTIN_LEXICAL


def read_settings(environ: Mapping[str, str] = os.environ, cpus: float | None = None) -> Settings:
    """Read and check the settings.

    Args:
        environ: an empty value counts as "not set": Compose passes an unset variable that way.
        cpus: CPUs from which unset sizes are computed; None: those that this process may use.

    Raises:
        SettingsError: a value can't be used; the message names the variable.
    """
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    usable_cpus = max(1, int(available_cpus() if cpus is None else cpus))
    torch_threads = _integer(given, "GTE_TORCH_THREADS", min(usable_cpus, MOST_THREADS), 1, 256)
    computations = max(1, usable_cpus // torch_threads)
    model = given.get("GTE_MODEL", DEFAULT_MODEL)
    if model != BUILTIN_LEXICAL and (model.startswith("builtin:") or model.count("/") != 1 or " " in model):
        raise SettingsError(
            f"GTE_MODEL={model!r} is neither a ModelScope id nor a built-in model. Write owner/name, for example "
            f"{DEFAULT_MODEL}, or {BUILTIN_LEXICAL} for the demo model. Set GTE_MODEL_DIR for a local folder."
        )
    links = {
        name: given[variable]
        for name, variable in (
            ("Dashboards", "GTE_GRAFANA_URL"),
            ("Prometheus", "GTE_PROMETHEUS_URL"),
            ("Alert inbox", "GTE_ALERT_INBOX_URL"),
        )
        # In compose.yaml, `none` is no dashboards.
        if given.get(variable, "none") != "none"
    }
    run_dir = Path(given.get("GTE_RUN_DIR", "/run/gte"))
    return Settings(
        model=model,
        model_revision=given.get("GTE_MODEL_REVISION", "master"),
        model_dir=Path(given["GTE_MODEL_DIR"]) if "GTE_MODEL_DIR" in given else None,
        model_dir_shown=given.get("GTE_MODEL_DIR_SHOWN", ""),
        precision=_one_of(given, "GTE_PRECISION", PRECISIONS),
        models_home=Path(given.get("GTE_MODELS_HOME", "/models")),
        run_dir=run_dir,
        metrics_dir=Path(given["GTE_METRICS_DIR"]) if "GTE_METRICS_DIR" in given else run_dir / "metrics",
        port=_integer(given, "GTE_LISTEN_PORT", 5000, 1, 65535),
        metrics_port=_integer(given, "GTE_METRICS_LISTEN_PORT", 9090, 1, 65535),
        # One more than compute at a time, so that full speed remains when one dies or hangs.
        workers=_integer(given, "GTE_WORKERS", computations + 1, 1, 64),
        threads=_integer(given, "GTE_THREADS", 128, 1, 1024),
        torch_threads=torch_threads,
        computations=computations,
        max_requests=_integer(given, "GTE_MAX_REQUESTS", 0, 0, 10**9),
        batch_tokens=_integer(given, "GTE_BATCH_TOKENS", BATCH_TOKENS_PER_THREAD * torch_threads, 1, 1 << 20),
        queue_texts=_integer(given, "GTE_QUEUE_TEXTS", 2 * MAX_TEXTS, 1, 1 << 20),
        deadline_seconds=_integer(given, "GTE_DEADLINE_SECONDS", 30, 1, 3600),
        hang_seconds=_integer(given, "GTE_HANG_SECONDS", 60, 1, 3600),
        # The alerts on gte_probe_success are made for 15.
        probe_seconds=_integer(given, "GTE_PROBE_SECONDS", 15, 0, 3600),
        max_body_bytes=_integer(given, "GTE_MAX_BODY_BYTES", MAX_BODY_BYTES, 1 << 10, 1 << 30),
        max_texts=_integer(given, "GTE_MAX_TEXTS", MAX_TEXTS, 1, 100_000),
        max_tokens=_integer(given, "GTE_MAX_TOKENS", MAX_TOKENS, 1, 1 << 30),
        api_keys=_read_keys(given),
        cors_origins=_origins(given),
        model_aliases=_listed(given, "GTE_MODEL_ALIASES"),
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


def _read_keys(given: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of a file, one per line; comments begin with #. An error message never contains a key."""
    if "GTE_API_KEYS_FILE" not in given:
        return ()
    path = given["GTE_API_KEYS_FILE"]
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except IsADirectoryError as error:
        raise SettingsError(f"GTE_API_KEYS_FILE: {path} is a folder. Name a file with one key per line.") from error
    except PermissionError as error:
        raise SettingsError(
            f"GTE_API_KEYS_FILE: {path} may not be read by the user of this process ({os.getuid()}). Make it readable "
            "(chmod a+r) and keep others out by its folder (chmod 700)."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"GTE_API_KEYS_FILE: {path} can't be read ({error}). Name a text file with one key per line."
        ) from error
    keys: list[str] = []
    for number, line in enumerate(lines, start=1):
        key = line.strip()
        if not key or key.startswith("#"):
            continue
        if _NAMED_KEY.match(key) or key[0] in _QUOTES or key[-1] in _QUOTES:
            raise SettingsError(
                f"GTE_API_KEYS_FILE: line {number} of {path} is not only a key: it has a name with = before it, or "
                "quotes around it, and all of a line would be the key. Write the key alone."
            )
        if len(key) < SHORTEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
            raise SettingsError(
                f"GTE_API_KEYS_FILE: line {number} of {path} is not a key: a key has at least {SHORTEST_KEY} visible "
                "ASCII characters and no spaces. `openssl rand -hex 24` makes one."
            )
        keys.append(key)
    if not keys:
        raise SettingsError(
            f"GTE_API_KEYS_FILE: {path} has no key. Write one per line (`openssl rand -hex 24` makes one), or remove "
            "the setting to serve requests without a key."
        )
    return tuple(dict.fromkeys(keys))


def _origins(given: Mapping[str, str]) -> tuple[str, ...]:
    origins = _listed(given, "GTE_CORS_ORIGINS")
    for origin in origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise SettingsError(
                f"GTE_CORS_ORIGINS: {origin!r} is not an origin. Write scheme://host or scheme://host:port without "
                "a path, several separated by commas, or * for all."
            )
    return origins


def _listed(given: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The comma-separated parts of a value."""
    return tuple(part.strip() for part in given.get(name, "").split(",") if part.strip())


def _one_of(given: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """One of the choices, the first if the setting is missing."""
    text = given.get(name, choices[0])
    if text not in choices:
        raise SettingsError(f"{name}={text!r} is not one of {', '.join(choices)}. Correct it in .env.")
    return text


def _integer(given: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
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
