"""Several ways to train convolution nets, in CPU milliseconds a model and epoch: `python benchmarks/images.py`.

The ways are those of `training.py`, and two more: `vmap` trains many models side by side through `torch.func.vmap`, and `torch` is the
engine's own way through torch. Each measurement is a process of its own; the ways take turns within a repeat.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import common
import training
import ways
from popleak.core.seeds import generator
from popleak.engine.fit import ConvNet, Table, Training, fit
from popleak.report import readme

OUTPUT = Path("docs/results/benchmarks/images.csv")
PAGE = Path("docs/performance.md")
BEGIN, END = "<!-- images: written by benchmarks/images.py -->", "<!-- /images -->"
WAYS = ("careful", "torch", "vmap", "jax-vmap", "jax-map", "engine")
EPOCHS = 3
MODELS = {"careful": 2, "torch": 2, "vmap": 4, "jax-vmap": 2, "jax-map": 1, "engine": 8}
"""How many models a way trains in a measurement; the weights of the first two at most are compared."""


@dataclass(frozen=True)
class Task:
    """A net, rows of a model, and rows a step."""

    net: ConvNet
    rows: int
    batch: int

    def __str__(self) -> str:
        image, channels = ("x".join(map(str, one)) for one in (self.net.shape, self.net.channels))
        return f"{image}/{channels}/{self.batch}"

    def flop(self) -> int:
        """Return floating-point operations of one epoch: 2 for each multiply-add, forward, backward to the weights and, but for the first
        layer, backward to what it is given."""
        *blocks, last = (into * out for into, out in self.net.layers)
        each = [
            weights * height * width for weights, (_, height, width) in zip(blocks, self.net.sizes[:-1], strict=True)
        ]
        return 2 * (3 * (sum(each) + last) - each[0]) * self.rows


TASKS = (
    Task(ConvNet((1, 12, 12), (4, 8)), 512, 32), Task(ConvNet((1, 24, 24), (8, 16)), 512, 64),
    Task(ConvNet((1, 48, 48), (8, 16)), 512, 64), Task(ConvNet((3, 24, 24), (8, 16)), 512, 64),
)  # fmt: skip


def present() -> tuple[str, ...]:
    """Return the ways that can be run here."""
    return tuple(way for way in WAYS if way not in ways.JAX or importlib.util.find_spec("jax"))


def problem(task: Task, models: int, *, double: bool = False) -> tuple[Table, np.ndarray]:
    """Return a made-up table of twice the rows of a model, and rows (models, n) drawn from it, each model's own."""
    rng = generator("benchmark", "images", str(task))
    x = rng.standard_normal((2 * task.rows, math.prod(task.net.shape)), dtype=np.float32)
    y = x[:, ::5].sum(1) + 4 * rng.standard_normal(len(x)) > 0
    table = Table.of(x, y, np.zeros(len(x)), np.float64 if double else np.float32)
    rows = np.stack([generator("benchmark", "rows", k).permutation(len(x))[: task.rows] for k in range(models)])
    return table, rows


def train(way: str, task: Task, table: Table, rows: np.ndarray, epochs: int) -> np.ndarray:
    """Return weights (models, P) of models of these rows, their seeds 0, 1, ..."""
    how = Training(epochs=epochs, batch=task.batch, learning_rate=ways.LEARNING_RATE, validation=0.0)
    if way in ("engine", "torch"):
        backend = "numba" if way == "engine" else "torch"
        return fit(task.net, table, rows, np.arange(len(rows)), how, backend=backend).weights
    if way in ways.JAX:
        return ways.train(way, task.net, table, rows, how)
    import loops

    return getattr(loops, way)(task.net, table, rows, how)


def measure(task: Task, way: str, models: int, epochs: int) -> dict:
    """Train models in this process and return costs and weights, after a first round of one epoch that is counted apart."""
    ways.prepare("stacked" if way == "engine" else way, 1)
    table, rows = problem(task, models)
    cpu = time.process_time()
    train(way, task, table, rows, 1)
    first = time.process_time() - cpu
    cpu, wall = time.process_time(), time.perf_counter()
    weights = train(way, task, table, rows, epochs)
    each = models * epochs
    return {
        "cpu_ms": 1e3 * (time.process_time() - cpu) / each, "wall_ms": 1e3 * (time.perf_counter() - wall) / each,
        "first_round_cpu_seconds": first, "weights": weights,
    }  # fmt: skip


def doubles(task: Task, epochs: int) -> dict[str, np.ndarray]:
    """Return by way the weights of a model trained in double precision."""
    ways.prepare("careful", 1)
    table, rows = problem(task, 1, double=True)
    return {way: train(way, task, table, rows, epochs) for way in present()}


def compare(task: Task, repeats: int, epochs: int) -> list[dict]:
    """Return one record a repeat and way."""
    records, there = [], present()
    double = common.apart(doubles, task, epochs)
    for repeat in range(repeats):
        found = {way: common.apart(measure, task, way, MODELS[way], epochs) for way in common.turns(there, repeat)}
        weights = {way: costs.pop("weights") for way, costs in found.items()}
        for way in there:
            records.append(
                {
                    "task": str(task), "rows": task.rows, "epochs": epochs, "way": way, "models": MODELS[way], "repeat": repeat,
                    **found[way], "gflops": task.flop() / found[way]["cpu_ms"] / 1e6,
                    "difference_single": training.gap(weights[way], weights["careful"]),
                    "difference_double": training.gap(double[way], double["careful"]),
                }
            )  # fmt: skip
        common.say(f"{task}: repeat {repeat + 1} of {repeats}")
    return records


def block(frame: pd.DataFrame) -> str:
    """Return the table in Markdown: medians over the repeats, ratios within a repeat."""
    rows = []
    for task, cell in frame.groupby("task", sort=False):
        cpu = cell.pivot(index="repeat", columns="way", values="cpu_ms")
        own = cell[cell["way"] == "engine"]
        others = [way for way in WAYS[:-1] if way in cpu]
        rows.append(
            [
                task, *(f"{cpu[way].median():.3g}" if way in cpu else "" for way in WAYS),
                common.spread(cpu["careful"] / cpu["engine"], 1),
                common.spread(cpu[others].min(axis=1) / cpu["engine"], 1),
                f"{own['gflops'].median():.0f}", f"{own['difference_single'].max():.0e}", f"{cell['difference_double'].max():.0e}",
            ]
        )  # fmt: skip
    header = ["image / channels / batch", *(f"`{way}`" for way in WAYS), "`careful` / `engine`", "best other / `engine`",
              "`engine`, GFLOP/s", "difference, single", "double, all"]  # fmt: skip
    first = frame.groupby("way")["first_round_cpu_seconds"].median()
    where = frame.iloc[0]
    lines = [header, ["---"] * len(header), *rows]
    return (
        f"{where['processor']}; torch {where['torch']}{f', jax {where.jax}' if 'jax-map' in first else ''}. CPU milliseconds a model and "
        f"epoch of {where['rows']} rows, on one thread: medians of {frame['repeat'].nunique()} repeats of {where['epochs']} epochs; ratios "
        "within a repeat, with lowest and highest.\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)
    )


def versions() -> dict[str, str]:
    """Return what it was measured with."""
    found = {"processor": common.processor(), "torch": importlib.metadata.version("torch")}
    return found | {"jax": importlib.metadata.version("jax") if importlib.util.find_spec("jax") else ""}


def work(arguments: argparse.Namespace) -> None:
    """Measure, write the table, and the page beside it; print what it shows."""
    if not arguments.page:
        if present() != WAYS:
            common.say("JAX is not installed, so it is not compared with: python -m pip install '.[bench]' brings it")
        parts, own = [], [task for task in TASKS if not arguments.tasks or str(task) in arguments.tasks]
        if arguments.output.exists():  # tasks that are not measured anew are kept as they are
            old = pd.read_csv(arguments.output, keep_default_na=False)
            parts.append(old[~old["task"].isin([str(task) for task in own])])
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        for task in own:
            parts.append(
                pd.DataFrame.from_records(compare(task, arguments.repeats, arguments.epochs)).assign(**versions())
            )
            frame = pd.concat(parts)
            frame.to_csv(arguments.output, index=False, float_format="%.4g", lineterminator="\n")
    frame = pd.read_csv(arguments.output, keep_default_na=False)
    if arguments.output == OUTPUT:
        readme.put(PAGE, readme.around(PAGE, BEGIN, END), f"\n{block(frame)}\n\n")
    print(block(frame))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=[str(task) for task in TASKS], help="default: all")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument(
        "--page", action="store_true", help="measure nothing: write the page from the table that is there"
    )
    return common.status(work, parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
