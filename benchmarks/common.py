"""What the benchmarks share: processes of their own, memory, the rate of a matrix product, and how a table is written."""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from popleak.core.errors import PopleakError
from popleak.core.provenance import code_digest
from popleak.core.settings import digest
from popleak.store import parquet as store

RESULTS = Path("results/benchmarks")
ENGINE = ("popleak.engine.fit", "popleak.models.mlp")
SHARED = [Path(__file__).with_name(f"{name}.py") for name in ("common", "ways", "loops", "loops_jax")]
Result = TypeVar("Result")


def apart(function: Callable[..., Result], *arguments: Any) -> Result:
    """Return what `function` returns in a fresh process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def turns(names: Iterable[str], repeat: int) -> list[str]:
    """Return the names in the order to measure them in this repeat: each repeat begins with another one."""
    names = list(names)
    first = repeat % len(names)
    return names[first:] + names[:first]


def peak_memory() -> float:
    """Return the most memory that this process has held so far, in MB (10^6 bytes), Python and libraries among it."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if found:  # unlike ru_maxrss, it does not count what the parent held when it started this process
        return int(found[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def sgemm_gflops(side: int = 1024, seconds: float = 0.4) -> float:
    """Return the best rate, in GFLOP a CPU second, of torch's float32 products on one core within `seconds` of CPU."""
    import torch

    torch.set_num_threads(1)
    a, b, c = torch.rand(side, side), torch.rand(side, side), torch.empty(side, side)
    best, end = 0.0, time.process_time() + seconds
    while time.process_time() < end:
        begin = time.process_time()
        torch.mm(a, b, out=c)
        best = max(best, 2e-9 * side**3 / (time.process_time() - begin))
    return best


def processor() -> str:
    """Return the processor's name, or its kind where the system does not tell the name."""
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", path.read_text()) if path.exists() else None
    return found[1].strip() if found else platform.machine()


def status(work: Callable[..., Any], *arguments: Any) -> int:
    """Do a command's work; return its exit status: 0, or 2 after a line that says what is wrong and the remedy."""
    try:
        work(*arguments)
    except PopleakError as error:
        say(f"{Path(sys.argv[0]).stem}: {error}")
        return 2
    return 0


def of_experiment(work: Callable[[Path], Any], about: str, usual: Path) -> int:
    """Run a benchmark of the experiment that the command line names, `usual` unless given, and return the exit status. about: the script's
    docstring."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--config", type=Path, default=usual, help=f"the experiment; {usual.name} unless given")
    return status(work, parser.parse_args().config)


def say(text: str) -> None:
    """Say on stderr how far a benchmark is."""
    print(text, file=sys.stderr, flush=True)


def write(
    path: Path, frame: pd.DataFrame, schema: pa.Schema, script: str, settings: Mapping[str, Any], **more: Any
) -> None:
    """Write a benchmark's table, of the columns of `schema`, with its settings and what it ran on in the metadata.

    script: the file that measured; more: facts beside the settings.
    """
    name = Path(script).stem
    facts = store.provenance(
        stage="benchmark", step=f"{name}-{digest(settings)}", settings=settings, inputs=(), files=[script, *SHARED],
        code=code_digest(*ENGINE), processor=processor(), cores=os.cpu_count(), **more,
    )  # fmt: skip
    store.write(path, pa.Table.from_pandas(frame, schema=schema, preserve_index=False), facts)


def spread(values: pd.Series, digits: int = 2) -> str:
    """Return 'median (lowest-highest)'."""
    return f"{values.median():.{digits}f} ({values.min():.{digits}f}-{values.max():.{digits}f})"
