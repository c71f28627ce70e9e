"""Several ways to train the same models, in CPU seconds a model: `python benchmarks/training.py`.

Each measurement is a process of its own; the ways take turns within a repeat, so that a drift of the machine meets all
of them. What is trained and how is in `ways.py`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

import common
import ways
from ways import ALL, DEFAULT, JAX, LEARNING_RATE, SHAPE, SHOWN, WAYS, Shape

OUTPUT = common.RESULTS / "training.parquet"
SCHEMA = pa.schema(
    {
        "rows": pa.int64(), "features": pa.int64(), "widths": pa.list_(pa.int64()), "batch": pa.int64(),
        "epochs": pa.int64(), "way": pa.string(), "models": pa.int64(), "threads": pa.int64(), "repeat": pa.int64(),
        "cpu_seconds_per_model": pa.float64(), "wall_seconds_per_model": pa.float64(), "peak_memory_mb": pa.float64(),
        "first_round_cpu_seconds": pa.float64(), "share_of_sgemm": pa.float64(), "max_weight_difference": pa.float64(),
    }
)  # fmt: skip
MEMORY = ("imports", "data", "first_round")
DOUBLE_MODELS = 2


@dataclass(frozen=True)
class Effort:
    """How much of a shape is trained in one measurement: models of the loops, models of the engine, epochs."""

    loop_models: int = 8
    stacked_models: int = 64
    epochs: int = 20

    def models(self, way: str) -> int:
        return self.stacked_models if way in (*JAX, "stacked") else self.loop_models


# the loops take seconds a model on the largest shapes: less of it there, for the whole to end in minutes
LESS = {
    Shape(7865, 91, (32, 16), 256): Effort(loop_models=4, stacked_models=32),
    Shape(50000, 105, (64, 16), 200): Effort(loop_models=2, stacked_models=16, epochs=5),
    Shape(4400, 93, (128, 256, 128), 128): Effort(loop_models=4, stacked_models=16, epochs=10),
}


def effort(shape: Shape, arguments: argparse.Namespace) -> Effort:
    """Return the effort for a shape: its own, but for what the command line says."""
    own = LESS.get(shape, Effort())
    said = {name: getattr(arguments, name) for name in asdict(own)}
    return Effort(**{name: getattr(own, name) if value is None else value for name, value in said.items()})


def measure(shape: Shape, way: str, models: int, epochs: int, threads: int) -> dict:
    """Train `models` models in this process and return costs, weights and the sgemm rate after it.

    A first round over two batches, counted apart, pays for what is loaded or compiled on first use; JAX compiles for the
    number of rows, so that its first round is an epoch. memory: the most that
    the process held after the imports, after making the data and after the first round, in MB.
    """
    ways.prepare(way, threads)
    memory = [common.peak_memory()]
    build, table, rows = ways.problem(shape, models)
    memory.append(common.peak_memory())
    cpu = time.process_time()
    first = rows if way in JAX else rows[:, : 2 * shape.batch]
    ways.train(way, build, table, first, ways.settings(shape, 1), threads=threads)
    first_round = time.process_time() - cpu
    memory.append(common.peak_memory())
    wall, cpu = time.perf_counter(), time.process_time()
    weights = ways.train(way, build, table, rows, ways.settings(shape, epochs), threads=threads)
    return {
        "cpu_seconds_per_model": (time.process_time() - cpu) / models,
        "wall_seconds_per_model": (time.perf_counter() - wall) / models,
        "peak_memory_mb": common.peak_memory(),
        "first_round_cpu_seconds": first_round,
        "weights": weights,
        "memory": memory,
        "gflops": common.sgemm_gflops(),
    }


def variants(threads: Sequence[int], *, all_ways: bool = False) -> list[tuple[str, int]]:
    """Return the ways and threads to measure: all ways on the fewest threads, and the engine on the others too.

    all_ways: the loops on the others as well. Their products are too small to gain from a second thread, and where cores
    are shared with other work their threads wait for each other a hundred times longer than they compute.
    """
    first, *others = sorted(threads)
    there = ways.present()
    return [(way, first) for way in there] + [
        (way, more) for more in others for way in (there if all_ways else WAYS[-1:])
    ]


def compare(shape: Shape, much: Effort, measured: Sequence[tuple[str, int]], repeats: int) -> list[dict]:
    """Return one record a repeat, way and number of threads. Each repeat begins with another one of them."""
    records = []
    base = next(variant for variant in measured if variant[0] == "careful")
    for repeat in range(repeats):
        found = {
            (way, threads): common.apart(measure, shape, way, much.models(way), much.epochs, threads)
            for way, threads in common.turns(measured, repeat)
        }
        weights = {variant: costs.pop("weights") for variant, costs in found.items()}
        for way, threads in measured:
            key = {"epochs": much.epochs, "way": way, "models": much.models(way), "threads": threads, "repeat": repeat}
            difference = gap(weights[way, threads], weights[base])
            records.append({**asdict(shape), **key, **found[way, threads], "max_weight_difference": difference})
        common.say(f"{shape}: repeat {repeat + 1} of {repeats}")
    return records


def gap(weights: np.ndarray, others: np.ndarray) -> float:
    """Return the largest absolute difference of weights (K, P) and (L, P), over the models that both hold."""
    both = min(len(weights), len(others))
    return float(np.abs(weights[:both] - others[:both]).max())


def double_difference(shape: Shape, models: int, epochs: int) -> dict[str, float]:
    """Return for each way the largest difference to `careful` in weights trained in double precision.

    In float32 a difference in the last bit of a sum grows from step to step, chaotically: it says little about whether
    two ways compute the same. In double precision it starts 5e8 times smaller.
    """
    ways.prepare("careful", 1)
    build, table, rows = ways.problem(shape, models, double=True)
    weights = {way: ways.train(way, build, table, rows, ways.settings(shape, epochs)) for way in ways.present()}
    return {way: gap(found, weights["careful"]) for way, found in weights.items()}


def summary(frame: pd.DataFrame) -> str:
    """Return medians over the repeats, one line a shape, way and number of threads. The last columns are how many times
    the CPU seconds of `loader`, of `careful` and of the better way in JAX, on the fewest threads, exceed the line's own:
    median of the repeats, lowest to highest."""
    names = f"{'CPU s':>9}{'wall s':>9}{'MB':>6}{'share':>7}{'diff':>9}"
    others = [way for way in SHOWN[:-1] if way in set(ways.with_better_jax(frame)["way"])]
    names += "".join(f"{f'{way}/this':>20}" for way in others)
    lines = [f"{'shape, threads':<31}{'way':<9}{'models':>6}{names}"]
    for key, cell in frame.groupby(SHAPE, sort=False):
        one = cell[cell["threads"] == cell["threads"].min()]
        base = ways.with_better_jax(one).pivot(index="repeat", columns="way", values="cpu_seconds_per_model")
        for (threads, way), part in cell.groupby(["threads", "way"], sort=False):
            middle, seconds = part.median(numeric_only=True), part.set_index("repeat")["cpu_seconds_per_model"]
            ratios = "".join(f"{common.spread(base[other] / seconds):>20}" for other in others)
            lines.append(
                f"{f'{Shape(*key)}, {threads}':<31}{way:<9}{middle['models']:>6.0f}"
                f"{middle['cpu_seconds_per_model']:>9.4f}{middle['wall_seconds_per_model']:>9.4f}"
                f"{middle['peak_memory_mb']:>6.0f}{middle['share_of_sgemm']:>7.1%}"
                f"{part['max_weight_difference'].max():>9.1e}{ratios}"
            )
    return "\n".join(lines)


def memory_before(frame: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """Return by shape and way the median MB that a process held after the imports, the data and the first round."""
    found: dict[str, dict] = {}
    for key, cell in frame.groupby([*SHAPE, "way"], sort=False):
        middle = np.median(np.array(cell["memory"].tolist()), axis=0)
        found.setdefault(str(Shape(*key[:-1])), {})[key[-1]] = dict(zip(MEMORY, middle.round(1).tolist()))
    return found


def run(arguments: argparse.Namespace) -> pd.DataFrame:
    """Measure, write the table, print its medians and return it."""
    efforts = {shape: effort(shape, arguments) for shape in arguments.shapes}
    if ways.present() != WAYS:
        common.say("JAX is not installed, so it is not compared with: python -m pip install '.[bench]' brings it")
    measured = variants(arguments.threads, all_ways=arguments.all_ways)
    frame = pd.DataFrame.from_records(
        record for shape, much in efforts.items() for record in compare(shape, much, measured, arguments.repeats)
    )
    doubles = {}
    for shape, much in efforts.items():
        models = min(DOUBLE_MODELS, much.loop_models, much.stacked_models)
        doubles[str(shape)] = common.apart(double_difference, shape, models, much.epochs)
    peak = frame["gflops"].max()
    flop = np.array([Shape(*row[:-1]).flop(row[-1]) for row in frame[[*SHAPE, "epochs"]].to_numpy()])
    frame["share_of_sgemm"] = flop / frame["cpu_seconds_per_model"] / (peak * 1e9)
    settings = {
        "shapes": {str(shape): asdict(much) for shape, much in efforts.items()}, "learning_rate": LEARNING_RATE,
        "measured": measured, "repeats": arguments.repeats,
    }  # fmt: skip
    common.write(
        arguments.output, frame, SCHEMA, __file__, settings, sgemm_gflops=peak, memory_before_mb=memory_before(frame),
        double_models=DOUBLE_MODELS, max_weight_difference_in_double=doubles,
    )  # fmt: skip
    print(summary(frame))
    for shape, found in doubles.items():
        print(f"{shape}: in double precision the weights differ by {max(found.values()):.1e} at most")
    print(f"one core's sgemm: {peak:.0f} GFLOP/s on {common.processor()}")
    return frame


def shapes_of(text: str) -> tuple[Shape, ...]:
    """Return the shapes of `default`, `all`, or shapes with commas between them."""
    return {"default": (DEFAULT,), "all": ALL}.get(text) or tuple(Shape.parse(part) for part in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", type=shapes_of, default="all", help="all, default, or 2048x60/32x16/256,...")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="threads of a process")
    parser.add_argument(
        "--all-ways", action="store_true", help="the loops on several threads too, not the engine alone"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="default: 20, fewer on the largest shapes")
    parser.add_argument(
        "--loop-models", type=int, help="models of loader and careful; default: 8, fewer on the largest"
    )
    parser.add_argument("--stacked-models", type=int, help="models of the engine; default: 64, fewer on the largest")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
