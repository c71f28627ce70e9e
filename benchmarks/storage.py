"""Models kept in one Parquet file against one file a model: `python benchmarks/storage.py`.

`parquet` is what the stages `train` and `defend` write; `files` is the usual way, `torch.save` of each model's
state_dict. The package itself has no pickle anywhere; `torch.save` is here as the thing compared with, and its files
are read with `weights_only=True`, which takes tensors and nothing else.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

import common
import loops
import ways
from popleak.store import parquet as store
from popleak.store import populations, reuse
from ways import DEFAULT, SHAPE, Shape

OUTPUT = common.RESULTS / "storage.parquet"
SCHEMA = pa.schema(
    {
        "rows": pa.int64(), "features": pa.int64(), "widths": pa.list_(pa.int64()), "batch": pa.int64(),
        "way": pa.string(), "models": pa.int64(), "parameters": pa.int64(), "repeat": pa.int64(), "files": pa.int64(),
        "bytes": pa.int64(), "disk_bytes": pa.int64(), "write_seconds": pa.float64(), "read_seconds": pa.float64(),
        "write_cpu_seconds": pa.float64(), "read_cpu_seconds": pa.float64(),
    }
)  # fmt: skip


def write_parquet(folder: Path, build: Callable, weights: np.ndarray) -> None:
    """Write models of these weights (K, P) as the stages do: one file, with keys, checks and facts."""
    count = len(weights)
    number, nothing = np.arange(count), np.zeros(count)
    world = np.full(count, "world")
    keys = {
        "world": world,
        "from_world": world,
        "split": number * 0,
        "model_index": number,
        "seed": number,
        "ratio": nothing,
    }
    columns = dict.fromkeys(populations.FOUND, nothing) | {"finite": np.isfinite(weights).all(1), "weights": weights}
    models = populations.Models.of(keys, columns)
    made_of = np.random.default_rng(0).integers(0, 256, (count, reuse.WIDTH), dtype=np.uint8)  # as digests look
    with store.Writer(folder / "models.parquet", {"stage": "benchmark", "step": "storage"}) as writer:
        populations.write(writer, models, made_of)


def read_parquet(folder: Path, build: Callable) -> np.ndarray:
    """Return the weights (K, P)."""
    return populations.read([folder / "models.parquet"], world="world").weights


def write_files(folder: Path, build: Callable, weights: np.ndarray) -> None:
    """Write a state_dict a model. The module is made once: each model's weights are put into it in turn."""
    module = build()
    for number, row in enumerate(torch.from_numpy(weights)):
        loops.put(module, row)
        torch.save(module.state_dict(), folder / f"{number}.pt")


def read_files(folder: Path, build: Callable) -> np.ndarray:
    """Return the weights (K, P)."""
    paths = sorted(folder.iterdir(), key=lambda path: int(path.stem))
    states = (torch.load(path, weights_only=True) for path in paths)
    return np.stack([torch.cat([value.reshape(-1) for value in state.values()]).numpy() for state in states])


WAYS = {"files": (write_files, read_files), "parquet": (write_parquet, read_parquet)}


def clock(function: Callable, *arguments: object) -> tuple[float, float, object]:
    """Return wall seconds, CPU seconds and what the function returns."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function(*arguments)
    return time.perf_counter() - wall, time.process_time() - cpu, result


def measure(way: str, build: Callable, weights: np.ndarray, place: Path) -> dict:
    """Write and read models of these weights (K, P) in the folder `place`; return sizes and seconds. Raises ValueError if a bit was lost."""
    write, read = WAYS[way]
    with tempfile.TemporaryDirectory(dir=place) as name:
        folder = Path(name)
        write_wall, write_cpu, _ = clock(write, folder, build, weights)
        read_wall, read_cpu, found = clock(read, folder, build)
        sizes = [path.stat() for path in folder.iterdir()]
    if not np.array_equal(found, weights):
        raise ValueError(f"{way}: other weights came back than were written")
    return {
        "files": len(sizes), "bytes": sum(size.st_size for size in sizes),
        "disk_bytes": sum(size.st_blocks * 512 for size in sizes), "write_seconds": write_wall,
        "read_seconds": read_wall, "write_cpu_seconds": write_cpu, "read_cpu_seconds": read_cpu,
    }  # fmt: skip


def compare(shape: Shape, models: int, repeats: int, place: Path) -> list[dict]:
    """Return one record a repeat and way, of models trained for one epoch. A first write and read is not counted."""
    build, table, rows = ways.problem(shape, models)
    weights = ways.train("stacked", build, table, rows, ways.settings(shape, 1)).astype(np.float32)
    records = []
    for way in WAYS:
        measure(way, build, weights[:2], place)
    for repeat in range(repeats):
        for way in common.turns(WAYS, repeat):
            key = {"way": way, "models": models, "parameters": weights.shape[1], "repeat": repeat}
            records.append({**asdict(shape), **key, **measure(way, build, weights, place)})
    common.say(f"storage: {shape}, {models} models")
    return records


def summary(frame: pd.DataFrame) -> str:
    """Return medians over the repeats, one line a shape, number of models and way."""
    names = f"{'files':>6}{'MB':>9}{'MB disk':>9}{'write s':>10}{'read s':>10}"
    lines = [f"{'shape':<22}{'models':>6}  {'way':<8}{names}"]
    for key, part in frame.groupby([*SHAPE, "models", "way"], sort=False):
        middle = part.median(numeric_only=True)
        lines.append(
            f"{Shape(*key[:-2])!s:<22}{key[-2]:>6}  {key[-1]:<8}{middle['files']:>6.0f}{middle['bytes'] / 1e6:>9.3f}"
            f"{middle['disk_bytes'] / 1e6:>9.3f}{middle['write_seconds']:>10.4f}{middle['read_seconds']:>10.4f}"
        )
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> pd.DataFrame:
    """Measure, write the table, print its medians and return it."""
    torch.set_num_threads(1)
    place = arguments.output.parent  # the disk of the results, not one that is memory
    place.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame.from_records(
        record for models in arguments.models for record in compare(arguments.shape, models, arguments.repeats, place)
    ).sort_values(["models", "way", "repeat"], kind="stable")
    settings = {"shape": str(arguments.shape), "models": arguments.models, "repeats": arguments.repeats}
    common.write(arguments.output, frame, SCHEMA, __file__, settings)
    print(summary(frame))
    return frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", type=Shape.parse, default=DEFAULT, help="say 2048x60/32x16/256")
    parser.add_argument("--models", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
