"""The training objective, and which backend supports it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from .architecture import ConvNet, Dense

if TYPE_CHECKING:
    from .adversary import Adversary

BACKENDS = ("auto", "numba", "torch")
Backend = Literal["auto", "numba", "torch"]

WORDS = {
    "targets": "targets other than the records' labels",
    "weights": "row weights",
    "mask": "a mask of trained weights",
    "clip": "per-example clipping",
    "noise": "noise on the clipped gradient",
    "l1": "an l1 penalty",
    "adversary": "an adversary that reads the group",
}
"""What an `Objective` may need, in words."""
CHAINS_ONLY = frozenset(("clip", "noise", "adversary"))
"""Of these, what the compiled loops do for units with ReLU alone."""


@dataclass(frozen=True)
class Objective:
    """The training objective of K models. The default is cross-entropy on the records' labels, with every weight
    trained.

        The loss of a batch is the mean over its rows of weight * cross-entropy(prediction, target). The Equalized Odds term
    beside it always sees the records' own labels and groups.

        Parameters
    ----------
    targets
        What each model is to predict on each of its rows, in place of the records' labels: integers (K, n) in 0..C-1;
        or floats (K, n) in [0, 1], P(y = 1), for two classes; or floats (K, n, C), each row summing to 1, for more.
    weights
        Row weights (K, n). They are not normalised: a weight of 2 counts as the row twice, and a weight of -1 raises the row's loss
        as fast as 1 lowers it.
    mask
        (P,) bool, shared by the K models: which of a model's stored numbers training may move (see `last_layer`). The rest
        stay as they are, weight decay included. Buffers, such as the running means of batch norm, follow the module.
    clip, noise
        The gradient of DP-SGD (Abadi et al. 2016, arXiv:1607.00133): each row's gradient is scaled down to Euclidean norm at most
        `clip`, the batch's are summed, N(0, (noise * clip)^2) is added to each coordinate from the model's own seed, and the sum
        is divided by the rows of the batch. Adam takes it from there, and adds weight decay and the l1 penalty, which see no row.
    poisson
        Batches as accountants of DP-SGD assume them: each step takes each of the n rows with probability batch / n, independently, and
        an epoch is ceil(n / batch) steps. The sum is divided by the rows expected, `batch`, not by those that came. A step without a
        row is one of noise alone. False: the usual batches, every row once an epoch. Needs `clip`.
    l1
        Strength of a penalty on the sum of the absolute values of the numbers that move. It falls linearly over the training, epoch by
        epoch, from `l1` towards 0 (Jia et al. 2023, arXiv:2304.04934). Its derivative at 0 is taken as 0.
    adversary
        What reads the group in the scores, and is evaded: see `engine.adversary`.
    """

    targets: np.ndarray | None = None
    weights: np.ndarray | None = None
    mask: np.ndarray | None = None
    clip: float | None = None
    noise: float = 0.0
    poisson: bool = False
    l1: float = 0.0
    adversary: Adversary | None = None

    def wants(self) -> tuple[str, ...]:
        """Return the names of what this needs beyond cross-entropy on the records' labels."""
        given = {name: getattr(self, name) for name in WORDS} | {"l1": self.l1 or None, "noise": self.noise or None}
        return tuple(name for name in WORDS if given[name] is not None)

    def pull(self, epoch: int, epochs: int) -> float:
        """Return the strength of the l1 penalty in epoch 0, 1, ... of `epochs`."""
        return self.l1 * (1 - epoch / epochs)

    def check(self, rows: tuple[int, int], classes: int, penalty: bool) -> None:
        """Raise ValueError unless this fits K models of n rows, rows = (K, n), and this number of classes."""
        if self.targets is not None:
            _check_targets(self.targets, rows, classes)
        if self.weights is not None:
            _check_weights(self.weights, rows)
        if self.mask is not None and (self.mask.dtype != bool or self.mask.ndim != 1 or not self.mask.any()):
            raise ValueError("the mask must be one bool for each number of a model, with at least one that is trained")
        if not (np.isfinite(self.l1) and self.l1 >= 0):
            raise ValueError(f"l1 must be 0 or above, not {self.l1}")
        self._check_clip(penalty)
        if self.adversary is not None:
            self._check_adversary(classes, penalty)

    def _check_adversary(self, classes: int, penalty: bool) -> None:
        """Raise ValueError unless there can be an adversary."""
        if classes > 2:
            raise ValueError(f"the adversary reads the one logit of two classes, not those of {classes}")
        if self.clip is not None or penalty:
            raise ValueError("an adversary with clipping or the Equalized Odds term: give one of them")

    def _check_clip(self, penalty: bool) -> None:
        """Raise ValueError unless clipping, noise and the penalty can be combined."""
        if self.clip is not None and not (np.isfinite(self.clip) and self.clip > 0):
            raise ValueError(f"clip must be above 0, not {self.clip}")
        if not (np.isfinite(self.noise) and self.noise >= 0):
            raise ValueError(f"noise must be 0 or above, not {self.noise}")
        if self.noise and self.clip is None:
            raise ValueError("noise without clip hides no row: give both")
        if self.poisson and self.clip is None:
            raise ValueError("Poisson batches are for per-example clipping: give clip, too")
        if self.clip is not None and penalty:
            raise ValueError(
                "clip bounds what one row adds to the gradient, and the Equalized Odds term is no sum over rows: give one of them"
            )

    def part(self, models: slice) -> Objective:
        """Return the objective of some of the models."""
        return self._taken(lambda values: values[models])

    def at(self, places: np.ndarray) -> Objective:
        """Return the objective on some of each model's rows, by their places (K, m) among the n."""

        def take(values: np.ndarray) -> np.ndarray:
            return np.take_along_axis(values, places if values.ndim == 2 else places[:, :, None], 1)

        return self._taken(take)

    def _taken(self, take) -> Objective:
        told = {name: getattr(self, name) for name in ("targets", "weights")}
        return replace(self, **{name: take(values) for name, values in told.items() if values is not None})


def _check_targets(targets: np.ndarray, rows: tuple[int, int], classes: int) -> None:
    """Raise ValueError unless `targets` are labels (K, n) or probabilities (K, n), (K, n, C) for C > 2 classes."""
    hard = targets.dtype.kind in "iu"
    wanted = (*rows, classes) if classes > 2 and not hard else rows
    if targets.shape != wanted:
        raise ValueError(f"{'integer' if hard else 'soft'} targets of shape {targets.shape}: {wanted} is needed")
    high = classes - 1 if hard else 1
    if targets.size and not (targets.min() >= 0 and targets.max() <= high):
        raise ValueError(f"targets must lie in 0 to {high}")
    if not hard and classes > 2 and not np.allclose(targets.sum(-1), 1, atol=1e-4):
        raise ValueError("soft targets of more than two classes must sum to 1 in each row")


def _check_weights(weights: np.ndarray, rows: tuple[int, int]) -> None:
    """Raise ValueError unless `weights` (K, n) are finite."""
    if weights.shape != rows:
        raise ValueError(f"weights of shape {weights.shape}: {rows} is needed")
    if not np.isfinite(weights).all():
        raise ValueError("row weights must be finite")


DEFAULT = Objective()
"""Cross-entropy on the records' labels."""


def not_in_numba(
    sides: Sequence[int] | None,
    wants: Collection[str] = (),
    place: Literal["cpu", "cuda"] = "cpu",
    net: ConvNet | Dense | None = None,
) -> str | None:
    """Return in a few words why the compiled loops cannot train such models, or None if they can.

    sides: layer sizes of an MLP with ReLU, None for any other module; wants: as named by `Objective.wants`; net: the convolution net, or the
    MLP with other units, that it is, if it is one. Both the plan and `fit` call this, so they make the same choice.
    """
    if place != "cpu":
        return "it runs on a CPU only"
    if sides is None and net is None:
        return "no chain of Linear and ReLU"
    if isinstance(net, ConvNet):
        return in_words(wants)
    outputs = (sides or net.sides)[-1]  # type: ignore[union-attr]  # one of the two is there
    if outputs > 2:  # a model never has two logits, and the loops refuse them by name
        return "more than two classes"
    if net is not None and (reason := in_words(CHAINS_ONLY.intersection(wants))):
        return f"{reason} beside other units than ReLU alone"
    return None


def in_words(wants: Collection[str]) -> str | None:
    """Return what an objective needs, None for nothing. wants: as named by `Objective.wants`."""
    return " and ".join(WORDS[name] for name in WORDS if name in wants) or None


def chosen(
    backend: Backend,
    sides: Sequence[int] | None,
    wants: Collection[str] = (),
    place: Literal["cpu", "cuda"] = "cpu",
    net: ConvNet | Dense | None = None,
) -> Literal["numba", "torch"]:
    """Return the backend that trains such models under the config's `engine.backend`.

    Raises ValueError that names the key and the remedy if `numba` is required and cannot train the model.
    """
    if backend not in BACKENDS:
        raise ValueError(f"engine.backend: {backend!r} is unknown: choose from {', '.join(BACKENDS)}")
    reason = not_in_numba(sides, wants, place, net)
    if backend == "numba" and reason is not None:
        raise ValueError(f"engine.backend: numba cannot train this model ({reason}): set it to auto")
    return "torch" if backend == "torch" or reason is not None else "numba"
