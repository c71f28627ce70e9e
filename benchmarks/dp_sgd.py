"""DP-SGD by several implementations, in CPU seconds a model: `python benchmarks/dp_sgd.py`.

`opacus` is Opacus as its tutorials use it: `PrivacyEngine`, with its own loader of Poisson batches. `opacus-careful` is its module and
optimizer alone, on rows in memory. `torch` and `engine` are the engine's two backends, and `plain` is the compiled one without clipping and
noise, for scale. Each measurement is a process of its own; the ways take turns within a repeat.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import common
import ways
from popleak.core.seeds import generator
from popleak.engine.fit import Chain, Feed, Objective, Table, Training, fit, initial_weights, predict_rows
from popleak.report import readme

OUTPUT = Path("docs/results/benchmarks/dp_sgd.csv")
PAGE = Path("docs/performance.md")
BEGIN, END = "<!-- dp-sgd: written by benchmarks/dp_sgd.py -->", "<!-- /dp-sgd -->"
WAYS = ("opacus", "opacus-careful", "torch", "engine", "plain")
MODELS = {"opacus": 1, "opacus-careful": 1, "torch": 2, "engine": 32, "plain": 32}
"""How many models a way trains in a measurement."""
SIDES, ROWS, EPOCHS, BATCH = (60, 32, 16, 1), 2000, 20, 64
CLIP, NOISE = 1.0, 1.0


def problem(models: int) -> tuple[Table, np.ndarray]:
    """Return a made-up table of twice the rows of a model, and rows (models, n) drawn from it, each model's own."""
    rng = generator("benchmark", "dp-sgd")
    x = rng.standard_normal((2 * ROWS, SIDES[0]), dtype=np.float32)
    y = x[:, ::5].sum(1) + 2 * rng.standard_normal(len(x)) > 0
    rows = np.stack([generator("benchmark", "rows", k).permutation(len(x))[:ROWS] for k in range(models)])
    return Table.of(x, y, np.zeros(len(x))), rows


def module(seed: int):
    """Return a module with the initial weights of the model with this seed."""
    import torch
    from torch import nn

    layers = [(nn.Linear(into, out), nn.ReLU()) for into, out in itertools.pairwise(SIDES)]
    made = nn.Sequential(*list(itertools.chain.from_iterable(layers))[:-1])
    nn.utils.vector_to_parameters(
        torch.from_numpy(initial_weights(Chain(SIDES), np.array([seed]))[0]), made.parameters()
    )
    return made


def opacus(table: Table, rows: np.ndarray, how: Training) -> np.ndarray:
    """Return weights (models, P), trained one at a time by `PrivacyEngine`."""
    import torch
    from opacus import PrivacyEngine
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    weights = []
    for seed, own in enumerate(rows):
        made = module(seed)
        data = TensorDataset(torch.from_numpy(table.x[own]), torch.from_numpy(table.y[own]).float())
        made, optimizer, loader = PrivacyEngine().make_private(
            module=made, optimizer=torch.optim.Adam(made.parameters(), lr=how.learning_rate),
            data_loader=DataLoader(data, batch_size=how.batch), noise_multiplier=NOISE, max_grad_norm=CLIP,
        )  # fmt: skip
        for _ in range(how.epochs):
            for x, y in loader:
                optimizer.zero_grad()
                nn.functional.binary_cross_entropy_with_logits(made(x)[:, 0], y).backward()
                optimizer.step()
        weights.append(nn.utils.parameters_to_vector(made.parameters()).detach().numpy())
    return np.stack(weights)


def careful(table: Table, rows: np.ndarray, how: Training) -> np.ndarray:
    """As `opacus`, with `GradSampleModule` and `DPOptimizer` on rows in memory, in the engine's own Poisson batches."""
    import torch
    from opacus import GradSampleModule
    from opacus.optimizers import DPOptimizer
    from torch import nn

    weights = []
    for seed, own in enumerate(rows):
        made = GradSampleModule(module(seed))
        adam = torch.optim.Adam(made.parameters(), lr=how.learning_rate)
        optimizer = DPOptimizer(adam, noise_multiplier=NOISE, max_grad_norm=CLIP, expected_batch_size=how.batch)
        x, y = torch.from_numpy(table.x), torch.from_numpy(table.y).float()
        feed = Feed(own[None], np.array([seed]), how, None, "base", True)
        for _ in range(how.epochs):
            order, _, starts = feed.batches()
            for begin, end in itertools.pairwise(starts[0]):
                chosen = torch.from_numpy(order[0, begin:end])
                optimizer.zero_grad()
                logits = made(x.index_select(0, chosen))[:, 0]
                nn.functional.binary_cross_entropy_with_logits(logits, y.index_select(0, chosen)).backward()
                optimizer.step()
        weights.append(nn.utils.parameters_to_vector(made.parameters()).detach().numpy())
    return np.stack(weights)


def train(way: str, table: Table, rows: np.ndarray, epochs: int) -> np.ndarray:
    """Return weights (models, P) of models of these rows, their seeds 0, 1, ..."""
    how = Training(epochs=epochs, batch=BATCH, learning_rate=ways.LEARNING_RATE, validation=0.0)
    if way.startswith("opacus"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return (opacus if way == "opacus" else careful)(table, rows, how)
    aim = Objective() if way == "plain" else Objective(clip=CLIP, noise=NOISE, poisson=True)
    backend = "torch" if way == "torch" else "numba"
    return fit(Chain(SIDES), table, rows, np.arange(len(rows)), how, backend=backend, objective=aim).weights


def measure(way: str, epochs: int) -> dict:
    """Train models in this process and return costs and the share of their own rows that they get right, after a first round of one epoch
    that is counted apart."""
    ways.prepare("stacked" if way in ("engine", "plain") else "careful", 1)
    table, rows = problem(MODELS[way])
    cpu = time.process_time()
    train(way, table, rows[:1], 1)
    first = time.process_time() - cpu
    cpu, wall = time.process_time(), time.perf_counter()
    weights = train(way, table, rows, epochs)
    took = time.process_time() - cpu, time.perf_counter() - wall
    right = (predict_rows(Chain(SIDES), weights, table, rows) > 0.5) == table.y[rows]
    return {
        "cpu_seconds": took[0] / len(rows), "wall_seconds": took[1] / len(rows), "first_round_cpu_seconds": first,
        "accuracy": right.mean(),
    }  # fmt: skip


def compare(repeats: int, epochs: int) -> pd.DataFrame:
    """Return one record a repeat and way."""
    records = []
    for repeat in range(repeats):
        for way in common.turns(WAYS, repeat):
            found = common.apart(measure, way, epochs)
            records.append({"way": way, "models": MODELS[way], "repeat": repeat, "epochs": epochs, **found})
        common.say(f"repeat {repeat + 1} of {repeats}")
    versions = {name: importlib.metadata.version(name) for name in ("opacus", "torch")}
    return pd.DataFrame.from_records(records).assign(processor=common.processor(), **versions)


def block(frame: pd.DataFrame) -> str:
    """Return the table in Markdown: medians over the repeats, ratios within a repeat."""
    cpu = frame.pivot(index="repeat", columns="way", values="cpu_seconds")
    lines = [["implementation", "CPU seconds a model", "of `engine`, times", "accuracy on its own rows"], ["---"] * 4]
    for way in WAYS:
        right = frame.loc[frame["way"] == way, "accuracy"].mean()
        lines.append(
            [f"`{way}`", f"{cpu[way].median():.3g}", common.spread(cpu[way] / cpu["engine"], 2), f"{right:.3f}"]
        )
    where = frame.iloc[0]
    return (
        f"{where['processor']}; torch {where['torch']}, opacus {where['opacus']}. {ROWS:,} rows, {SIDES[0]} features, layers of "
        f"{' and '.join(map(str, SIDES[1:-1]))} units, {where['epochs']} epochs of batches of {BATCH} expected rows, noise {NOISE:g}, clip "
        f"{CLIP:g}, on one thread: medians of {frame['repeat'].nunique()} repeats; ratios within a repeat, with lowest and highest. "
        "`plain` has no clipping and no noise.\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)
    )


def work(arguments: argparse.Namespace) -> None:
    """Measure, write the table, and the page beside it; print what it shows."""
    if not arguments.page:
        frame = compare(arguments.repeats, arguments.epochs)
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(arguments.output, index=False, float_format="%.4g", lineterminator="\n")
    frame = pd.read_csv(arguments.output, keep_default_na=False)
    if arguments.output == OUTPUT:
        readme.put(PAGE, readme.around(PAGE, BEGIN, END), f"\n{block(frame)}\n\n")
    print(block(frame))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument(
        "--page", action="store_true", help="measure nothing: write the page from the table that is there"
    )
    return common.status(work, parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
