"""Three ways to train the same models, in CPU seconds a model: `python benchmarks/training.py`.

`loader` is the usual loop, one model at a time from a DataLoader; `careful` is one model at a time too, with its rows
in memory, one `index_select` a batch and fused Adam; `stacked` is this package's engine. Model k has the same rows,
initial weights and batches in all three, so its weights agree up to rounding. Each measurement is a process of its
own; the ways take turns within a repeat, so that a drift of the machine meets all of them.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import os
import platform
import re
import resource
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from popleak import store
from popleak.engine.fit import Build, Table, Training, fit, hold_out
from popleak.engine.stack import flatten
from popleak.models import mlp
from popleak.provenance import code_digest
from popleak.seeds import derive, generator
from popleak.settings import digest

OUTPUT = Path("results/benchmarks/training.parquet")
LEARNING_RATE = 0.003
SHAPE = ["rows", "features", "widths", "batch"]
SCHEMA = pa.schema(
    {
        "rows": pa.int64(), "features": pa.int64(), "widths": pa.list_(pa.int64()), "batch": pa.int64(),
        "epochs": pa.int64(), "way": pa.string(), "models": pa.int64(), "threads": pa.int64(), "repeat": pa.int64(),
        "cpu_seconds_per_model": pa.float64(), "wall_seconds_per_model": pa.float64(), "peak_memory_mb": pa.float64(),
        "share_of_sgemm": pa.float64(), "max_weight_difference": pa.float64(),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """What a model is trained on: `rows` of `features` numbers, hidden layers of `widths` units, rows a batch."""

    rows: int
    features: int
    widths: tuple[int, ...]
    batch: int

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Return the shape written as ROWSxFEATURES/WIDTHxWIDTH/BATCH. Raises ValueError for other text."""
        match = re.fullmatch(r"(\d+)x(\d+)/(\d+(?:x\d+)*)/(\d+)", text)
        if match is None:
            raise ValueError(f"{text!r}: a shape reads ROWSxFEATURES/WIDTHS/BATCH, say 2048x60/32x16/256")
        rows, features, widths, batch = match.groups()
        return cls(int(rows), int(features), tuple(int(width) for width in widths.split("x")), int(batch))

    def __str__(self) -> str:
        return f"{self.rows}x{self.features}/{'x'.join(map(str, self.widths))}/{self.batch}"

    def flop(self, epochs: int) -> int:
        """Return floating-point operations to train one model: 2 for each multiply-add of the matrix products, forward
        (x W), backward to the weights (x' g) and, but for the first layer, backward to the activations (g W')."""
        sides = [self.features, *self.widths, 1]
        layers = [into * out for into, out in itertools.pairwise(sides)]
        return 2 * (3 * sum(layers) - layers[0]) * self.rows * epochs


ALL = (
    Shape(1024, 4, (16, 4), 32), Shape(400, 60, (64, 16), 64), Shape(1500, 12, (64, 16), 128),
    Shape(2048, 60, (32, 16), 256), Shape(7865, 91, (32, 16), 256), Shape(50000, 105, (64, 16), 200),
    Shape(4400, 93, (128, 256, 128), 128),
)  # fmt: skip
DEFAULT = ALL[3]


def problem(shape: Shape, models: int, dtype: torch.dtype = torch.float32) -> tuple[Build, Table, np.ndarray]:
    """Return how to build a model, a made-up table of twice the rows of a model, and rows (models, n) drawn from it
    without replacement, each model's own."""
    rng = generator("benchmark", "table", str(shape))
    x = rng.standard_normal((2 * shape.rows, shape.features), dtype=np.float32)
    y = x @ rng.standard_normal(shape.features, dtype=np.float32) + 4 * rng.standard_normal(len(x)) > 0
    table = Table(torch.from_numpy(x).to(dtype), torch.from_numpy(y).long(), torch.zeros(len(x), dtype=torch.int64))
    rows = np.stack([generator("benchmark", "rows", k).permutation(len(x))[: shape.rows] for k in range(models)])
    build = functools.partial(mlp.PLUGIN.build, shape.features, mlp.MLP.Settings(widths=shape.widths))
    return build, table, rows


class Order:
    """Sampler over `count` rows in the order that the engine takes for the model of `seed`, a new one each epoch."""

    def __init__(self, seed: int, count: int) -> None:
        self.rng, self.count = generator(seed, "order", "base"), count

    def epoch(self) -> np.ndarray:
        return self.rng.permutation(self.count)

    def __iter__(self) -> Iterator[int]:
        yield from self.epoch().tolist()


def start(build: Build, table: Table, rows: np.ndarray, seed: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    """Return one untrained model and its rows x (n, d), y (n,), as the engine starts the model of `seed`."""
    torch.manual_seed(derive(seed, "init"))
    mine = torch.from_numpy(hold_out(rows[None], np.array([seed]), 0.0)[0][0])
    return build().to(table.x.dtype), table.x[mine], table.y[mine].to(table.x.dtype)


def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> None:
    """Take one step on the batch x (B, d), y (B,)."""
    optimizer.zero_grad()
    nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(1), y).backward()
    optimizer.step()


def loader(build: Build, table: Table, rows: np.ndarray, training: Training) -> np.ndarray:
    """Return weights (models, P), trained one at a time from a DataLoader without workers."""
    weights = []
    for seed, mine in enumerate(rows):
        model, x, y = start(build, table, mine, seed)
        batches = DataLoader(TensorDataset(x, y), batch_size=training.batch, sampler=Order(seed, len(x)))
        optimizer = torch.optim.Adam(model.parameters(), lr=training.learning_rate)
        for _ in range(training.epochs):
            for batch_x, batch_y in batches:
                update(model, optimizer, batch_x, batch_y)
        weights.append(flatten(model).numpy())
    return np.stack(weights)


def careful(build: Build, table: Table, rows: np.ndarray, training: Training) -> np.ndarray:
    """Return weights (models, P), trained one at a time with rows in memory, `index_select` and fused Adam."""
    weights = []
    for seed, mine in enumerate(rows):
        model, x, y = start(build, table, mine, seed)
        optimizer = torch.optim.Adam(model.parameters(), lr=training.learning_rate, fused=True)
        order = Order(seed, len(x))
        for _ in range(training.epochs):
            for index in torch.from_numpy(order.epoch()).split(training.batch):
                update(model, optimizer, x.index_select(0, index), y.index_select(0, index))
        weights.append(flatten(model).numpy())
    return np.stack(weights)


def stacked(build: Build, table: Table, rows: np.ndarray, training: Training) -> np.ndarray:
    """Return weights (models, P), trained all at once by the package's engine."""
    return fit(build, table, rows, np.arange(len(rows)), training, stack=len(rows)).weights


WAYS: dict[str, Callable[..., np.ndarray]] = {"loader": loader, "careful": careful, "stacked": stacked}


def peak_memory() -> float:
    """Return the most memory that this process has held so far, in MB (10^6 bytes), Python and torch among it."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.exists() else None
    if found:  # unlike ru_maxrss, it does not count what the parent held when it started this process
        return int(found[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def sgemm_gflops(side: int = 1024, seconds: float = 0.4) -> float:
    """Return the best rate, in GFLOP a CPU second, of square float32 products on one core within `seconds` of CPU."""
    torch.set_num_threads(1)
    a, b, c = torch.rand(side, side), torch.rand(side, side), torch.empty(side, side)
    best, end = 0.0, time.process_time() + seconds
    while time.process_time() < end:
        begin = time.process_time()
        torch.mm(a, b, out=c)
        best = max(best, 2e-9 * side**3 / (time.process_time() - begin))
    return best


def measure(shape: Shape, way: str, models: int, epochs: int, threads: int) -> dict:
    """Train `models` models in this process and return costs, weights and the sgemm rate after it.

    A first round over two batches, not counted, pays for what torch loads on first use.
    """
    torch.set_num_threads(threads)
    build, table, rows = problem(shape, models)
    training = Training(epochs=epochs, batch=shape.batch, learning_rate=LEARNING_RATE, validation=0.0)
    WAYS[way](build, table, rows[:, : 2 * shape.batch], training.model_copy(update={"epochs": 1}))
    wall, cpu = time.perf_counter(), time.process_time()
    weights = WAYS[way](build, table, rows, training)
    return {
        "cpu_seconds_per_model": (time.process_time() - cpu) / models,
        "wall_seconds_per_model": (time.perf_counter() - wall) / models,
        "peak_memory_mb": peak_memory(),
        "weights": weights,
        "gflops": sgemm_gflops(),
    }


def measure_apart(*arguments: object) -> dict:
    """As `measure`, in a fresh process."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def compare(shape: Shape, models: dict[str, int], epochs: int, threads: int, repeats: int) -> list[dict]:
    """Return one record a repeat and way. The way that goes first changes from repeat to repeat."""
    records = []
    for repeat in range(repeats):
        turn = repeat % len(WAYS)
        names = [*WAYS][turn:] + [*WAYS][:turn]
        found = {way: measure_apart(shape, way, models[way], epochs, threads) for way in names}
        for way in WAYS:
            common = min(models[way], models["careful"])
            gap = np.abs(found[way]["weights"][:common] - found["careful"]["weights"][:common]).max()
            costs = {key: value for key, value in found[way].items() if key != "weights"}
            key = {"epochs": epochs, "way": way, "models": models[way], "threads": threads, "repeat": repeat}
            records.append({**asdict(shape), **key, **costs, "max_weight_difference": float(gap)})
        print(f"{shape}, threads {threads}: repeat {repeat + 1} of {repeats}", file=sys.stderr, flush=True)
    return records


def summary(frame: pd.DataFrame) -> str:
    """Return medians over the repeats, one line a shape, way and number of threads. The last two columns are how many
    times the CPU seconds of `loader` and `careful` exceed the line's own: median of the repeats, lowest to highest."""
    names = f"{'CPU s':>9}{'wall s':>9}{'MB':>6}{'share':>7}{'diff':>9}{'loader/this':>20}{'careful/this':>20}"
    lines = [f"{'shape, threads':<28}{'way':<9}{'models':>6}{names}"]
    for key, cell in frame.groupby([*SHAPE, "threads"], sort=False):
        seconds = cell.pivot(index="repeat", columns="way", values="cpu_seconds_per_model")
        for way, part in cell.groupby("way", sort=False):
            middle = part.median(numeric_only=True)
            ratios = [seconds[base] / seconds[way] for base in ("loader", "careful")]
            spread = "".join(f"{f'{r.median():.2f} ({r.min():.2f}-{r.max():.2f})':>20}" for r in ratios)
            lines.append(
                f"{f'{Shape(*key[:-1])}, {key[-1]}':<28}{way:<9}{middle['models']:>6.0f}"
                f"{middle['cpu_seconds_per_model']:>9.4f}{middle['wall_seconds_per_model']:>9.4f}"
                f"{middle['peak_memory_mb']:>6.0f}{middle['share_of_sgemm']:>7.1%}"
                f"{part['max_weight_difference'].max():>9.1e}{spread}"
            )
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> pd.DataFrame:
    """Measure, write the table, print its medians and return it."""
    models = dict(zip(WAYS, (arguments.loop_models, arguments.loop_models, arguments.stacked_models), strict=True))
    frame = pd.DataFrame.from_records(
        record
        for threads in arguments.threads
        for shape in arguments.shapes
        for record in compare(shape, models, arguments.epochs, threads, arguments.repeats)
    )
    peak = frame["gflops"].max()
    flop = np.array([Shape(*row).flop(arguments.epochs) for row in frame[SHAPE].to_numpy()])
    frame["share_of_sgemm"] = flop / frame["cpu_seconds_per_model"] / (peak * 1e9)
    settings = {"shapes": [str(shape) for shape in arguments.shapes], "models": models, "epochs": arguments.epochs,
                "learning_rate": LEARNING_RATE, "threads": arguments.threads, "repeats": arguments.repeats}  # fmt: skip
    facts = store.provenance(
        stage="benchmark", step=f"training-{digest(settings)}", settings=settings, inputs=[__file__],
        code=code_digest("popleak.engine.fit", "popleak.models.mlp"),
        sgemm_gflops=peak, processor=processor(), cores=os.cpu_count(),
    )  # fmt: skip
    store.write(arguments.output, pa.Table.from_pandas(frame, schema=SCHEMA, preserve_index=False), facts)
    print(f"{summary(frame)}\none core's sgemm: {peak:.0f} GFLOP/s on {processor()}")
    return frame


def processor() -> str:
    """Return the processor's name, or its kind where the system does not tell the name."""
    path = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", path.read_text()) if path.exists() else None
    return found[1].strip() if found else platform.machine()


def shapes_of(text: str) -> tuple[Shape, ...]:
    """Return the shapes of `default`, `all`, or shapes with commas between them."""
    return {"default": (DEFAULT,), "all": ALL}.get(text) or tuple(Shape.parse(part) for part in text.split(","))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", type=shapes_of, default="default", help="default, all, or 2048x60/32x16/256,...")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="threads of a process, say 1 2")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--loop-models", type=int, default=4, help="models that loader and careful train, one by one")
    parser.add_argument("--stacked-models", type=int, default=16, help="models that the engine trains at once")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
