"""Prints the hardware, its limits and the libraries as the containers see them, as one JSON line."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path

import torch

from gte_service.engine.precision import has_bf16
from tools.bench.candidates.serve import available_cpus

# Of what a CPU has, that which decides the speed of matrix products.
_INSTRUCTIONS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "i8mm", "bf16")
# The libraries' own switches, by which they use fewer.
_SWITCHES = ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY")


def main() -> None:
    """Read /proc and the cgroup, and ask torch."""
    lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()]
    cpu = {name.strip(): value.strip() for name, _, value in lines}
    description = {
        "cpu": cpu.get("model name", platform.machine()),
        "instructions": [name for name in _INSTRUCTIONS if name in cpu.get("flags", cpu.get("Features", "")).split()],
        "limited_by": {name: os.environ[name] for name in _SWITCHES if os.environ.get(name)},
        "cpus": os.cpu_count(),
        "cpus_available": available_cpus(),
        "cgroup_cpu_max": _read("/sys/fs/cgroup/cpu.max"),
        "cgroup_memory_max": _read("/sys/fs/cgroup/memory.max"),
        "memory_kib": _read("/proc/meminfo").split()[1:2],
        "has_bf16": has_bf16(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torch_cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }
    print(json.dumps(description))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
