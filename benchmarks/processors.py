"""Whether another processor gives another result: `python benchmarks/processors.py`.

Compiled loops, torch, numpy, BLAS and the C library choose instructions by what the processor can do. Environment variables make them
choose as on an older one. So one small experiment is run as the processor is, once more, as on a processor without AVX-512, and as on one
without AVX, with numba and with torch training the models, each run with a cache of compiled loops of its own. Every cell of the public
tables is compared with the first run's.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

import common
import experiment
from popleak.report import readme
from popleak.store import parquet as store

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- processors: written by benchmarks/processors.py -->", "<!-- /processors -->"
CONFIG = Path(__file__).with_suffix(".yaml")
NO_AVX512 = "-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ,-AVX512CD,-EVEX512"
AS: dict[str, dict[str, str]] = {
    "once more": {},
    "without AVX-512": {
        "NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "", "ATEN_CPU_CAPABILITY": "avx2", "OPENBLAS_CORETYPE": "Haswell",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2", "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
        "GLIBC_TUNABLES": f"glibc.cpu.hwcaps={NO_AVX512}",
    },
    "without AVX": {
        "NUMBA_CPU_NAME": "generic", "ATEN_CPU_CAPABILITY": "default", "OPENBLAS_CORETYPE": "Nehalem",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "GLIBC_TUNABLES": f"glibc.cpu.hwcaps={NO_AVX512},-AVX2,-AVX,-FMA,-AVX2_Usable,-FMA_Usable",
    },
}  # fmt: skip
"""The environment of each run."""
BACKENDS = ("numba", "torch")


@contextmanager
def set_to(variables: dict[str, str]) -> Iterator[None]:
    """Have environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def tables(config: Path, backend: str, variables: dict[str, str]) -> dict[str, pd.DataFrame]:
    """Run the experiment and return its public tables. The folder of compiled loops is new, so that they are compiled for this processor."""
    with tempfile.TemporaryDirectory() as scratch, set_to(variables):
        folder = Path(scratch)
        (folder / "backend.yaml").write_text(f"engine: {{backend: {backend}}}\n", encoding="utf-8")
        experiment.execute(folder, 1, [config, folder / "backend.yaml"])
        paths = sorted((folder / "results").glob("*/tables/*.parquet"))
        paths = [path for path in paths if path.parents[1].name != "store"]
        return {path.stem: store.read(path).to_pandas() for path in paths}


def compare(first: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> dict[str, float | int]:
    """Return how many cells of equal tables there are and differ: numbers of floating point, and all others (verdicts, counts, words).

    `largest` is the largest difference of two numbers; one that is there in one table only counts as infinite. Raises ValueError if the tables
    have other names, rows or columns.
    """
    if first.keys() != other.keys():
        raise ValueError(f"other tables: {sorted(first.keys() ^ other.keys())}")
    found: dict[str, float | int] = {"cells": 0, "numbers differ": 0, "largest": 0.0, "others differ": 0}
    for name, one in first.items():
        two = other[name]
        if list(one) != list(two) or len(one) != len(two):
            raise ValueError(f"{name}: other rows or columns")
        for column in one:
            a, b = one[column].to_numpy(), two[column].to_numpy()
            found["cells"] += len(a)
            if a.dtype.kind == "f" and b.dtype.kind == "f":
                far = np.where(np.isnan(a) & np.isnan(b), 0.0, np.abs(a - b))
                far = np.where(np.isnan(far), np.inf, far)
                far[a == b] = 0.0
                found["numbers differ"] += int((far > 0).sum())
                found["largest"] = max(found["largest"], float(far.max(initial=0.0)))
            else:
                found["others differ"] += int((~((a == b) | (pd.isna(a) & pd.isna(b)))).sum())
    return found


def measure(config: Path, backends: Iterable[str], runs: Iterable[str]) -> list[dict[str, str | float | int]]:
    """Return a row for each backend and run, compared with the same on the processor as it is."""
    rows = []
    for backend in backends:
        first = tables(config, backend, {})
        for name in runs:
            made = tables(config, backend, AS[name])
            told = {"experiment": config.stem, "backend": backend, "run": name}
            rows.append({**told, **compare(first, made), **decided(first, made)})
            common.say(", ".join(f"{key} {value}" for key, value in rows[-1].items()))
    return rows


def decided(first: dict[str, pd.DataFrame], other: dict[str, pd.DataFrame]) -> dict[str, int]:
    """Return how many verdicts on claims there are, and differ; and how many of single trials name another world."""
    claims = first["claims"]["verdict"].to_numpy() != other["claims"]["verdict"].to_numpy()
    guesses = first["scores"]["guess"].to_numpy() != other["scores"]["guess"].to_numpy()
    return {
        "trials": len(guesses),
        "trials differ": int(guesses.sum()),
        "verdicts": len(claims),
        "verdicts differ": int(claims.sum()),
    }


def _largest(value: str | float | int) -> str:
    return "a number in one only" if value == float("inf") else f"{value:.2g}"


def text(rows: list[dict[str, str | float | int]]) -> str:
    """Return what goes into the page."""
    head = ["experiment", "training", "run", "cells of public tables", "numbers that differ", "largest difference", "other cells that differ",
            "trials that name another world", "verdicts on claims that differ"]  # fmt: skip
    lines = [f"| {' | '.join(head)} |", f"| --- | --- | --- | {' | '.join(['--:'] * (len(head) - 3))} |"]
    for row in rows:
        cells = [row["experiment"], row["backend"], row["run"], f"{row['cells']:,}", f"{row['numbers differ']:,}", _largest(row["largest"]),
                 f"{row['others differ']:,}", f"{row['trials differ']:,} of {row['trials']:,}",
                 f"{row['verdicts differ']} of {row['verdicts']}"]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([f"Compared with a run on {common.processor()} as it is.", "", *lines])


def work(config: Path, backends: list[str], runs: list[str], page: bool) -> None:
    """Measure, and put the table into the page."""
    whole = readme.around(PAGE, BEGIN, END)
    rows = text(measure(config, backends, runs))
    common.say(rows)
    if page:
        readme.put(PAGE, whole, f"\n{rows}\n\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=Path, default=CONFIG, help="the experiment")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--runs", nargs="+", choices=list(AS), default=list(AS))
    parser.add_argument("--page", action=argparse.BooleanOptionalAction, default=True, help="write docs/performance.md")
    given = parser.parse_args()
    sys.exit(common.status(work, given.config, given.backends, given.runs, given.page))
