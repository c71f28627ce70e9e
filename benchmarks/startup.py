"""What a job costs before its work: `python benchmarks/startup.py`.

CPU seconds of fresh processes, in turns: Python alone, the libraries that every job imports, a stage, and a stage with the
engine's loops, found in a cache or compiled into an empty one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd

import common

ROOT = Path(__file__).resolve().parents[1]
LOOPS = """
import numpy as np
import popleak.stages.defend
from popleak.engine.fused import Fused
for fair in (False, True):
    Fused((4, 3, 1)).ready(np.dtype(np.float32), fair)
"""
CODE = {
    "Python": "",
    "numpy": "import numpy",
    "numpy, pyarrow, pydantic": "import numpy, pyarrow.parquet, pydantic",
    "numba": "import numba",
    "the stage `defend`": "import popleak.stages.defend",
    "the stage `defend`, loops kept": LOOPS,
    "the stage `defend`, loops compiled": LOOPS,
}
"""Code by what it starts; the last has an empty cache each time."""


def seconds(code: str, cache: str) -> float:
    """Return the CPU seconds of a process that runs `code` with its cache in the folder `cache`."""
    package = os.pathsep.join(filter(None, [str(ROOT / "workflow"), os.environ.get("PYTHONPATH")]))
    before = os.times()
    environment = os.environ | {"XDG_CACHE_HOME": cache, "PYTHONPATH": package}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def run(arguments: argparse.Namespace) -> pd.DataFrame:
    """Measure, print a line for each start and return the seconds, a row a repeat and a column a start."""
    with tempfile.TemporaryDirectory(prefix="popleak-") as place:
        kept = str(Path(place) / "kept")
        seconds(LOOPS, kept)
        rows = []
        for repeat in range(arguments.repeats):
            empty = str(Path(place) / f"empty-{repeat}")
            rows.append({name: seconds(code, empty if "compiled" in name else kept) for name, code in CODE.items()})
    frame = pd.DataFrame(rows)
    for name in frame:
        print(f"{name:<36}{common.spread(frame[name])} CPU s")
    return frame


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    return common.status(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
