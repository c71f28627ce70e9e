"""What a defence works with: the owners of K models, and the models themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from ..core.needs import Mixing
    from ..engine.adversary import Adversary
    from ..engine.convex import Descent
    from ..engine.eo import Penalty
    from ..engine.schedule import Schedule
    from ._entries import Entry


@dataclass(frozen=True)
class Population:
    """K models: weights (K, P), finite (K,) bool, and what the defence did to each of them.

    eo_weight (K,): lambda of the EO term, 0 where there is none; eo_vacuous (K,): share of its terms that were vacuous.
    """

    weights: np.ndarray
    finite: np.ndarray
    eo_weight: np.ndarray
    eo_vacuous: np.ndarray

    def replaced(self, part: np.ndarray, found: Population) -> Population:
        """Return these models with those at the positions `part` (k,) replaced by the k models `found`."""
        values = {}
        for name in Population.__dataclass_fields__:
            column = getattr(self, name).copy()
            column[part] = getattr(found, name)
            values[name] = column
        return Population(**values)

    def at(self, part: np.ndarray) -> Population:
        """Return the models at the positions `part` (k,)."""
        return Population(*(getattr(self, name)[part] for name in Population.__dataclass_fields__))


@dataclass(frozen=True)
class Validation:
    """What K models do on their own validation rows, those that no training of them has seen: positives and counts
    (K, 2, 2), hard labels 1 and rows by [model, y, a]. A model with a score that is not finite has NaN positives."""

    positives: np.ndarray
    counts: np.ndarray


class Owner:
    """K owners of one model each: their rows, and the means to train on them. The stage `defend` has the one that works.

    Rows are row ids of the records; y, a and x say of each what it is.

    Attributes
    ----------
    x, y, a
        The records: features (N, d), labels (N,) in 0..C-1, groups (N,).
    classes
        C, the number of classes of the label.
    columns
        (d,): of each feature the number of the original column that it was made of; one-hot features of one column have one number.
    population
        The base models M_0.
    epochs
        How many epochs they were trained for; 0 in closed form.
    seeds
        (K,): the models' own seeds. All randomness of a defence comes from them.
    draw
        (K, n): S_0, all rows of each model's own draw, in random order.
    base, held_out
        (K, n - v) and (K, v): the rows of S_0 that M_0 was trained on, and those that validation held out of it.
    complement
        (K, n): rows drawn from the other world, none of them a row of S_0; (K, 0) for a defence without complement.
    public
        (K, n): rows of the public pool, which no victim and no shadow was trained on and no adversary asks; (K, 0) unless
        the defence says `public`.
    samples
        (K, m): rows of each model's generator, numbered after the records, with labels and groups in y and a; (K, 0) for a defence that has no
        generator (`Defence.received`).
    mixing
        How many rows of S_0 and of the complement a mixture takes.
    ledger
        What each training really used, in order (`_entries`): what certificates are computed from.
    """

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    classes: int
    columns: np.ndarray
    population: Population
    epochs: int
    seeds: np.ndarray
    draw: np.ndarray
    base: np.ndarray
    held_out: np.ndarray
    complement: np.ndarray
    public: np.ndarray
    samples: np.ndarray
    mixing: Mixing
    ledger: list[Entry]

    def train(
        self,
        rows: np.ndarray,
        *,
        part: slice | np.ndarray = slice(None),
        start: np.ndarray | None = None,
        epochs: int | None = None,
        learning_rate: float | None = None,
        schedule: Schedule | None = None,
        cycles: int = 1,
        weight_decay: float | None = None,
        stop: int | None = None,
        targets: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        clip: float | None = None,
        noise: float = 0.0,
        poisson: bool = False,
        l1: float = 0.0,
        adversary: Adversary | None = None,
        penalty: Penalty | None = None,
        extra: np.ndarray | None = None,
        held_out: bool = False,
    ) -> tuple[Population, Validation | None]:
        """Train models and return them, with what they do on their validation rows (None without an EO term).

        Parameters
        ----------
        rows
            (k, n): the rows of each model. Validation holds the share `training.validation` of them out.
        part
            The k models, by their positions; all of them unless given.
        start
            (k, P): weights to go on from. None starts again from the models' initial weights.
        epochs, learning_rate, schedule, weight_decay
            None is what the base models were trained with.
        cycles
            Of the schedule `restarts`; for a schedule that is given.
        stop
            Train the first so many of the epochs, and leave the rest: the beginning of a longer training.
        targets, weights, mask, clip, noise, poisson, l1, adversary
            As `engine.objective.Objective` has them: labels or soft targets in place of the records', (k, n) or (k, n, C); row weights
            (k, n), negative ones to climb; the numbers of a model (P,) that may move; per-example clipping and noise, in Poisson batches
            or the usual ones; the strength of an l1 penalty that falls to 0; an adversary. Only what the defence declares in `wants`.
        penalty
            The EO term. It sees the records' own labels.
        extra
            (k, e): rows that only the EO term sees.
        held_out
            The EO term sees half of the held-out rows and nothing else, and the other half is left for validation.

        Raises
        ------
        PopleakError
            Where the defence did not declare what it asks for, or there are no held-out rows and `held_out` needs some.
        ValueError
            Where shapes or values do not fit.
        """
        raise NotImplementedError

    def sampled(self, rows: int, epochs: int | None = None) -> tuple[float, int]:
        """Return how `train` samples with `poisson`, given so many rows a model: the probability at which a step takes a row, and the number
        of steps. Rows that validation holds out are not counted: no step takes them."""
        raise NotImplementedError

    def descend(self, rows: np.ndarray, how: Descent, *, features: Literal["initial", "public"]) -> Population:
        """Run noisy gradient descent (`engine.convex`) on the last layer of each model, on its rows (K, n), and return the models.

        A model without hidden layers starts from M_0. Of others the layers below the last are replaced by layers that do not know the
        world: those of the model's initial weights, or of a model trained on the public rows; what starts is the last layer that fits
        S_0 best upon them. Raises PopleakError for a model that is not a chain of Linear and ReLU with one logit.
        """
        raise NotImplementedError

    def restart(self, *, shrink: float, radius: float, noise: float) -> np.ndarray:
        """Return starts (K, P): initial weights + shrink * (what separates M_0 from them, projected on a ball) + noise."""
        raise NotImplementedError

    def predict(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return what models `weights` (k, P) say of their own rows (k, m), or all of the same (1, m): P(y = 1 | x) (k, m), or
        P(y | x) (k, m, C) for C > 2. Not a number where a model diverged."""
        raise NotImplementedError

    def near(self) -> np.ndarray:
        """Return for each row of S_0 (K, n) a near-duplicate, a row of its own that no record is: a copy in which one column, of those in which they
        differ, has the value of one of the model's public rows. Label and group are those of the copied row."""
        raise NotImplementedError

    def places(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return which of `count` rows, by position, a training that is handed them trains on (K, count - v), and which validation holds
        out of it (K, v). It is not so for models in closed form, which see all."""
        raise NotImplementedError

    def references(
        self,
        model: int,
        rows: np.ndarray,
        *,
        purpose: str,
        epochs: int | None = None,
        learning_rate: float | None = None,
    ) -> np.ndarray:
        """Train models of the owner's own, which are not released, and return their weights (m, P).

        model: whose owner, by position; rows (m, n): those of each. Initial weights and order of batches come from the model's
        seed, hashed with the purpose and the number of each; epochs, learning_rate: None is what the base models were trained with.
        """
        raise NotImplementedError

    def sides(self) -> tuple[int, ...]:
        """Return (features, units of each hidden layer, 1) of the models. Raises PopleakError for models that are no chains of Linear and ReLU
        with one logit."""
        raise NotImplementedError

    def inputs(self, features: np.ndarray) -> np.ndarray:
        """Return for each number of a model (P,) whether it reads one of the `features` (d,) bool. Raises PopleakError for a model that is no
        MLP."""
        raise NotImplementedError

    def last_layer(self) -> np.ndarray:
        """Return for each number of a model (P,) whether it belongs to the last layer: a mask for `train`."""
        raise NotImplementedError

    def initial(self, purpose: str | None = None) -> np.ndarray:
        """Return the models' initial weights (K, P), those that M_0 started from; with a purpose, fresh ones, from the models' seeds hashed
        with it."""
        raise NotImplementedError

    def trained(self) -> np.ndarray:
        """Return for each number of a model (P,) whether training moves it. The rest are frozen parameters and buffers."""
        raise NotImplementedError

    def gradient(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the gradient (k, P) of the mean cross-entropy of models `weights` (k, P), each on its own rows (k, m), at the records' labels.
        It is 0 for what training does not move, and not a number where a model diverged."""
        raise NotImplementedError
