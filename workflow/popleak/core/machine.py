"""What the last bits of a number may depend on beside config, code and libraries: the processor and the C library."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
SETS = (
    "sse4_2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
    "asimd", "asimdhp", "bf16", "sve", "sve2",
)  # fmt: skip
"""Instruction sets by which libraries choose what they compute with."""
VARIABLES = (
    "ATEN_CPU_CAPABILITY", "GLIBC_TUNABLES", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES", "NUMBA_CPU_FEATURES", "NUMBA_CPU_NAME", "OPENBLAS_CORETYPE",
)  # fmt: skip
"""Environment variables that make them choose otherwise."""


def facts() -> dict[str, str]:
    """Return the machine by name of the fact: `processor`, `instructions`, `system`, `libc`, and the `VARIABLES` that are set.

    The same on every call on a machine: no host name, no time, no number of cores, and no release of the kernel.
    """
    processor, instructions = _processor()
    libc = " ".join(platform.libc_ver()).strip()
    found = {
        "processor": processor,
        "instructions": " ".join(name for name in SETS if name in instructions),
        "system": f"{platform.system()} {platform.machine()}",
        "libc": libc,
    }
    chosen = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {name: value for name, value in {**found, **chosen}.items() if value}


def _processor() -> tuple[str, set[str]]:
    """Return the name of the first processor and what it can do; where Linux does not say, a name alone."""
    try:
        text = CPUINFO.read_text(encoding="utf-8", errors="replace").split("\n\n", 1)[0]
    except OSError:
        text = ""
    said = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", text, re.MULTILINE))
    name = said.get("model name") or " ".join(
        f"{key} {said[key]}" for key in ("CPU implementer", "CPU part") if key in said
    )
    return name or platform.processor(), set((said.get("flags") or said.get("Features") or "").split())
