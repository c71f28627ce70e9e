"""Train K models at once, each on its own rows in its own order, as if it were alone.

Randomness belongs to the model: initial weights, the rows held out for validation and the order of batches come from
the model's own seed. So a model's result does not depend on its neighbours or on how a population is cut into jobs.

Two backends compute the same thing. `Fused` (numba) trains on the CPU and needs no torch: plain MLPs with ReLU and one
logit, with any objective; those with other units (`Dense`), without clipping and without an adversary; and convolution nets
(`ConvNet`) with cross-entropy and the EO term. `Stacked` (torch) trains any
module with any objective and number of classes, also on a GPU. It is the reference that the first must match.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core import accounting
from ..core.errors import PopleakError
from ..core.seeds import generator
from .architecture import Build, Chain, ConvNet, Dense, Form, Module, form_of, numbers_of
from .feed import Feed
from .losses import cross_entropy, scores
from .objective import DEFAULT, Backend, Objective, chosen, not_in_numba
from .schedule import Training

if TYPE_CHECKING:
    from .eo import Penalty

__all__ = [
    "Backend", "Build", "Chain", "ConvNet", "Dense", "Device", "Feed", "Fitted", "Form", "Module", "Objective", "Progress", "Table", "Training",
    "alone", "batches_of", "chosen", "fit", "form_of", "hold_out", "initial_weights", "inputs", "last_layer", "not_in_numba", "place_of",
    "predict", "predict_rows", "resolve", "way_of",
]  # fmt: skip

Device = Literal["cpu", "cuda", "auto"]


@dataclass(frozen=True)
class Table:
    """The feature table that all models gather their batches from: x (N, d) float; y, a (N,) int64."""

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, a: np.ndarray, dtype: Any = np.float32) -> Table:
        """Return the table of arrays x (N, d), y (N,), a (N,), copied."""
        return cls(np.array(x, dtype), np.array(y, np.int64), np.array(a, np.int64))

    @functools.cached_property
    def packed(self) -> np.ndarray:
        """The features in the layout of the compiled loops."""
        from .layout import pack_table

        return pack_table(self.x)


@dataclass(frozen=True)
class Fitted:
    """K trained models: weights (K, P), finite (K,) bool, vacuous (K,) share of EO terms that were vacuous,
    validation_loss (K,) mean cross-entropy on the held-out rows (nan if none were held out)."""

    weights: np.ndarray
    finite: np.ndarray
    vacuous: np.ndarray
    validation_loss: np.ndarray


def batches_of(training: Training, rows: int) -> tuple[float, int]:
    """Return how Poisson batches of models with so many rows are sampled: the probability at which a step takes a row that is
    trained on, and the number of steps."""
    kept = rows - round(training.validation * rows)
    batch = min(training.batch, kept)
    return batch / kept, training.epochs * -(-kept // batch)


def sides_of(build: Build) -> tuple[int, ...] | None:
    """Return the layer sizes of the MLP that `build` makes; None for any other module."""
    if isinstance(build, Chain):
        return build.sides
    if isinstance(build, (ConvNet, Dense)):
        return None
    from .single import built
    from .stack import sides_of

    return sides_of(built(build), form_of(build).outputs)


def way_of(
    build: Build, device: Device = "cpu", threads: int = 1, backend: Backend = "auto", wants: Sequence[str] = ()
) -> Any:
    """Return the backend that trains and scores what `build` makes: `Fused` for an MLP with one logit, a `Dense` with one or a
    `ConvNet` on the CPU, else `Stacked`.

    wants: what the objective needs, as named by `Objective.wants`; see `not_in_numba`. An MLP that
    was not made by `Chain` keeps the initial weights that it is built with. Raises ValueError for `cuda` if there is
    no CUDA device, and PopleakError if `backend` cannot train the model.
    """
    place = resolve(device)
    with accounting.part("start"):
        sides = sides_of(build) if place == "cpu" and backend != "torch" else None
        try:
            used = chosen(backend, sides, wants, place, build if isinstance(build, (ConvNet, Dense)) else None)
        except ValueError as error:
            raise PopleakError(f"config: {error}") from None
        if used == "numba":
            from .fused import Fused, FusedDense, FusedImages

            if isinstance(build, ConvNet):
                return FusedImages(build, threads)
            if isinstance(build, Dense):
                return FusedDense(build, threads)
            assert sides is not None
            return Fused(sides, threads, None if isinstance(build, Chain) else build)
        from .stacked import Stacked

        return Stacked(build, place)


def alone(device: Device) -> bool:
    """Return whether each model is computed alone, so that its bits depend on no other model. This is so for every
    model on a CPU."""
    return resolve(device) == "cpu"


def place_of(device: Device, backend: Backend = "auto") -> str:
    """Return where and how models are computed, in a word or two. The bits of weights may depend on it. Raises as
    `resolve`."""
    return resolve(device) + (" torch" if backend == "torch" else "")


def resolve(device: Device) -> Literal["cpu", "cuda"]:
    """Return the device that `device` means on this machine. Raises ValueError for `cuda` if torch finds no CUDA
    device."""
    # import torch only if there may be a device: the import takes longer than many jobs
    if device == "cpu" or (device == "auto" and sys.platform == "linux" and not Path("/proc/driver/nvidia").exists()):
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        raise ValueError("engine.device: cuda is asked for, and torch finds no CUDA device here: set it to auto or cpu")
    return "cpu"


def initial_weights(build: Build, seeds: np.ndarray, dtype: Any = np.float32) -> np.ndarray:
    """Return initial weights (K, P), each from its model's own seed, in torch's default scheme for the module."""
    return way_of(build).initial(seeds).astype(dtype, copy=False)


def last_layer(build: Build) -> np.ndarray:
    """Return which of a model's stored numbers (P,) belong to the last layer, in the form of `Objective.mask`.

    The last layer is the last submodule that directly holds trained parameters.
    """
    if isinstance(build, (Chain, Dense)):
        sizes = numbers_of(build)
        return np.arange(sum(sizes)) >= sum(sizes[:-1])
    from .single import built, trained_and_state

    module = built(build)
    trained, state = trained_and_state(module)
    names = [name for name, one in module.named_parameters() if one.requires_grad]
    owner = names[-1].rpartition(".")[0]
    last = [np.full(one.numel(), name.rpartition(".")[0] == owner) for name, one in zip(names, trained, strict=True)]
    return np.concatenate([*last, np.zeros(sum(one.numel() for one in state), bool)])


def inputs(build: Build, columns: np.ndarray) -> np.ndarray:
    """Return which of an MLP's stored numbers (P,) read one of the features `columns` (d,) bool, in the form of `Objective.mask`.

    Raises ValueError for any other module, whose numbers may read any feature.
    """
    if not isinstance(build, (Chain, Dense)):
        raise ValueError("only of an MLP is it known which numbers read a feature")
    found = np.zeros(sum(numbers_of(build)), dtype=bool)
    into, out = build.sides[:2]
    found[: into * out].reshape(out, into)[:, columns] = True
    return found


def hold_out(rows: np.ndarray, seeds: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Split each model's rows (K, n) into training (K, n - v) and validation (K, v) rows, v = round(share * n)."""
    kept, held = _held_out(rows.shape[1], seeds, share)
    return np.take_along_axis(rows, kept, 1), np.take_along_axis(rows, held, 1)


def _held_out(count: int, seeds: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """As `hold_out`, by the places of rows among their model's `count`."""
    held = round(share * count)
    order = np.stack([generator(int(seed), "validation").permutation(count) for seed in seeds])
    return order[:, held:], order[:, :held]


@accounting.part("training")
def fit(
    build: Build,
    table: Table,
    rows: np.ndarray,
    seeds: np.ndarray,
    training: Training,
    *,
    start: np.ndarray | None = None,
    penalty: Penalty | None = None,
    extra: np.ndarray | None = None,
    extra_only: bool = False,
    purpose: str = "base",
    stack: int = 32,
    threads: int = 1,
    device: Device = "cpu",
    backend: Backend = "auto",
    objective: Objective = DEFAULT,
    progress: Callable[[int], None] | None = None,
) -> Fitted:
    """Train K models on their rows (K, n) of `table` and return them.

    seeds (K,): the models' own seeds; start (K, P): weights to go on from, else initial weights from the seeds;
    penalty: the EO term; extra (K, e): rows that enter the EO term but not the cross-entropy, `batch` of them a step;
    extra_only: the EO term sees the extra rows alone; purpose: names the stream of batch orders, so that training and
    fine-tuning of one model differ; stack, threads, device, backend: affect speed and memory only (on a GPU `stack`
    is as many models as fit); objective: row weights, other targets, a mask, clipping and noise, an l1 penalty, for all K models on
    all n rows, including those that are held out for validation. For another learning rate or number of epochs, pass
    another `training`. Raises ValueError if shapes disagree, if there is no model, for row ids outside the table, labels outside 0..C-1, or
    a device that does not exist. Raises PopleakError in one line if the backend or the module cannot do what is
    required.
    """
    models, classes = len(seeds), form_of(build).classes
    _check_models(models, rows, start, training)
    _check_rows(table, rows, *([] if extra is None else [extra]))
    _check_labels(table, classes, penalty)
    objective.check(rows.shape, classes, penalty is not None)
    way = way_of(build, device, threads, backend, objective.wants())
    way.ready(table.x.dtype, penalty is not None, objective.wants())
    stack = way.stack(stack, table, training, rows.shape[1], objective.clip is not None)
    parts = []
    for at in range(0, models, stack):
        cut = slice(at, at + stack)
        kept, held = _held_out(rows.shape[1], seeds[cut], training.validation)
        model_rows, towards = rows[cut], objective.part(cut)
        feed = Feed(
            np.take_along_axis(model_rows, kept, 1),
            seeds[cut],
            training,
            None if extra is None else extra[cut],
            purpose,
            objective.poisson,
        )
        begin = way.initial(seeds[cut]) if start is None else start[cut]
        begin = begin.astype(table.x.dtype, copy=False)
        weights, vacuous = way.train(table, begin, feed, training, penalty, extra_only, towards.at(kept))
        loss = np.full(len(kept), np.nan)
        if held.shape[1]:
            aside = np.take_along_axis(model_rows, held, 1)
            loss = cross_entropy(way.logits(table, weights, aside), table.y[aside], towards.at(held))
        parts.append(Fitted(weights, np.isfinite(weights).all(1), vacuous, loss))
        if progress is not None:
            progress(min(at + stack, models))
    return Fitted(*(np.concatenate([getattr(part, name) for part in parts]) for name in Fitted.__dataclass_fields__))


def _check_models(models: int, rows: np.ndarray, start: np.ndarray | None, training: Training) -> None:
    """Raise ValueError unless seeds, rows and weights are for the same number of models, at least one. Raise
    PopleakError if a model has no row to train on."""
    begun = models if start is None else len(start)
    if not len(rows) == begun == models:
        raise ValueError(f"{models} seeds, rows of {len(rows)} models and weights of {begun} must agree")
    if not models:
        raise ValueError("there is no model to train")
    count = rows.shape[1]
    if count - round(training.validation * count) < 1:
        raise PopleakError(
            f"config: training.validation: {training.validation:g} of a model's {count} rows leaves none to train on: lower it, or raise `rows`"
        )


def _check_rows(table: Table, *rows: np.ndarray) -> None:
    """Raise ValueError for row ids outside the table."""
    for some in rows:
        if some.size and (some.min() < 0 or some.max() >= len(table.x)):
            raise ValueError(f"row ids must lie in 0 to {len(table.x) - 1}, the rows of the table")


def _check_labels(table: Table, classes: int, penalty: Penalty | None) -> None:
    """Raise ValueError for labels that the model does not have, and for groups that the EO term does not support."""
    if table.y.size and (table.y.min() < 0 or table.y.max() >= classes):
        raise ValueError(f"labels must lie in 0 to {classes - 1}: the model has {classes} classes")
    if penalty is not None and table.a.size and (table.a.min() < 0 or table.a.max() > 1):
        raise ValueError("groups must be 0 or 1: the Equalized Odds term compares two")
    if penalty is not None:
        penalty.check(classes)


def predict(
    build: Build,
    weights: np.ndarray,
    x: np.ndarray,
    *,
    threads: int = 1,
    device: Device = "cpu",
    backend: Backend = "auto",
) -> np.ndarray:
    """Return scores of models `weights` (K, P) on the points x (m, d): P(y = 1 | x) (K, m) float32 for two classes, P(y | x) (K, m, C)
    for C > 2."""
    nothing = np.zeros(len(x), np.int64)
    table = Table(x, nothing, nothing)
    rows = np.arange(len(x))[None]
    return predict_rows(build, weights, table, rows, threads=threads, device=device, backend=backend)


def predict_rows(
    build: Build,
    weights: np.ndarray,
    table: Table,
    rows: np.ndarray,
    *,
    threads: int = 1,
    device: Device = "cpu",
    backend: Backend = "auto",
) -> np.ndarray:
    """Return scores (K, v) or (K, v, C) of models `weights` (K, P), each on its own rows (K, v) of `table`, or all on
    the same rows (1, v); see `predict`."""
    _check_rows(table, rows)
    way = way_of(build, device, threads, backend)
    way.ready(table.x.dtype, None)
    return scores(way.logits(table, weights, rows))


class Progress:
    """Progress lines on stderr with an estimate of the remaining time, at most one every ten seconds."""

    def __init__(self, what: str, total: int, every: float = 10.0) -> None:
        self.what, self.total, self.every = what, total, every
        self.begin = self.last = time.monotonic()

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self.last >= self.every and done:
            self.last = now
            left = (now - self.begin) / done * (self.total - done)
            print(f"{self.what}: {done} of {self.total} models, about {left:.0f} s left", file=sys.stderr, flush=True)
