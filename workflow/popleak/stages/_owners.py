"""The owners of models that a defence is applied to: what `defences._owner.Owner` promises, done by the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..core.errors import PopleakError
from ..core.needs import Mixing
from ..core.seeds import derive, generator
from ..defences._entries import Trained
from ..defences.base import Defence, Population, Validation
from ..engine import gradient
from ..engine.fit import Build, Objective, Progress, batches_of, hold_out, initial_weights, inputs, last_layer
from ..measures.fairness import cell_positives
from ..store.records import columns_of
from . import _noisy, train

if TYPE_CHECKING:
    from ..engine.adversary import Adversary
    from ..engine.convex import Descent
    from ..engine.eo import Penalty
    from ..engine.schedule import Schedule


class FittingOwner(_noisy.Fitting):
    """The owners of K models that are trained by the engine or fitted in closed form."""

    def __init__(
        self,
        fitter: train.Fitter,
        population: Population,
        seeds: np.ndarray,
        draw: np.ndarray,
        *,
        complement: np.ndarray,
        public: np.ndarray,
        mixing: Mixing,
        defence: Defence,
        progress: Progress | None = None,
    ) -> None:
        """draw, complement, public: rows (K, n) or (K, 0), see `defences.base.Owner`; defence: the defence that is
        applied."""
        self.fitter, self.defence, self.progress = fitter, defence, progress
        self.x, self.y, self.a = fitter.records.x, fitter.records.y, fitter.records.a
        self.classes, self.columns = fitter.classes, columns_of(fitter.records)
        self.epochs = fitter.training.epochs if fitter.training is not None else 0
        self.population, self.seeds, self.mixing = population, seeds, mixing
        self.draw, self.complement, self.public = draw, complement, public
        self.base, self.held_out = hold_out(draw, seeds, fitter.validation)
        self.samples = np.empty((len(draw), 0), dtype=np.int64)
        self.ledger = []

    def receive(self, x: np.ndarray, y: np.ndarray, a: np.ndarray) -> None:
        """Take rows of each model's generator: features x (K, m, d), labels y and groups a (K, m)."""
        self.samples = self._with(
            self.fitter.with_rows(x.reshape(-1, x.shape[2]), y=y.reshape(-1), a=a.reshape(-1))
        ).reshape(y.shape)

    def _with(self, fitter: train.Fitter) -> np.ndarray:
        """Go on with a fitter of more rows; return the ids of those that were added."""
        size, records = len(self.y), fitter.records
        self.fitter = fitter
        self.x, self.y, self.a = records.x, records.y, records.a
        return np.arange(size, len(self.y))

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
        objective = Objective(targets, weights, mask, clip, noise, poisson, l1, adversary)
        if undeclared := set(objective.wants()) - set(self.defence.wants):
            raise PopleakError(
                f"defence {self.defence.name!r}: it trains with {', '.join(sorted(undeclared))}, which its `wants` does not declare: add it there"
            )
        seeds = self.seeds[part]
        beside = extra is not None or held_out
        nothing = np.empty((len(rows), 0), dtype=np.int64)
        aside, clean = self._aside(rows, part) if penalty is not None else (nothing, nothing.astype(bool))
        if held_out:
            if (clean.sum(1) < 4).any():
                raise PopleakError("config: training.validation: eo_reference held-out needs held-out rows: raise it")
            extra = np.stack([np.resize(row[ok][::2], len(row) // 2) for row, ok in zip(aside, clean, strict=True)])
            for ok in clean:  # the other half is left for validation
                ok[np.flatnonzero(ok)[::2]] = False
        more: dict[str, Any] = {}
        if start is not None:  # the same stream of batches for a defence and its control
            more = {"start": start, "purpose": "fine-tune"}
        fitted = self.fitter(
            rows,
            seeds,
            epochs=epochs,
            learning_rate=learning_rate,
            schedule=schedule,
            cycles=None if schedule is None else cycles,
            weight_decay=weight_decay,
            stop=stop,
            penalty=penalty,
            extra=extra,
            extra_only=held_out,
            objective=objective,
            progress=self.progress,
            **more,
        )
        plain = objective.targets is None and objective.weights is None
        everyone = np.arange(len(self.seeds))
        self.ledger.append(
            Trained(part=everyone[part], rows=rows, start=start, plain=plain, beside=beside, end=fitted.weights)
        )
        fair = penalty or adversary
        lam = np.full(len(seeds), fair.weight if fair is not None else 0.0)
        population = Population(fitted.weights, fitted.finite, lam, fitted.vacuous)
        if penalty is None:
            return population, None
        return population, self._validation(fitted.weights, aside, clean)

    def sampled(self, rows: int, epochs: int | None = None) -> tuple[float, int]:
        training = self.fitter.training
        if training is None:
            raise PopleakError(f"defence {self.defence.name!r}: a model in closed form has no batches")
        return batches_of(training.model_copy(update={} if epochs is None else {"epochs": epochs}), rows)

    def descend(self, rows: np.ndarray, how: Descent, *, features: Literal["initial", "public"]) -> Population:
        return _noisy.descend(self, rows, how, features)

    def restart(self, *, shrink: float, radius: float, noise: float) -> np.ndarray:
        return _noisy.restart(self, shrink, radius, noise)

    def tell(self, done: int) -> None:
        """Report progress: so many of the models are done."""
        if self.progress is not None:
            self.progress(done)

    def predict(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return self.fitter.predict(weights, rows)

    def near(self) -> np.ndarray:
        copies = [
            near_duplicates(self.x, self.columns, *of) for of in zip(self.seeds, self.draw, self.public, strict=True)
        ]
        return self._with(self.fitter.with_rows(np.concatenate(copies), self.draw.reshape(-1))).reshape(self.draw.shape)

    def places(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        return hold_out(np.broadcast_to(np.arange(count), (len(self.seeds), count)), self.seeds, self.fitter.validation)

    def references(
        self,
        model: int,
        rows: np.ndarray,
        *,
        purpose: str,
        epochs: int | None = None,
        learning_rate: float | None = None,
    ) -> np.ndarray:
        seeds = np.array([derive(int(self.seeds[model]), purpose, i) for i in range(len(rows))])
        weights = self.fitter(rows, seeds, epochs=epochs, learning_rate=learning_rate).weights
        part = np.full(len(rows), model)
        self.ledger.append(Trained(part=part, rows=rows, start=None, plain=True, beside=False, end=weights))
        return weights

    def sides(self) -> tuple[int, ...]:
        return _noisy.sides_of(self)

    def inputs(self, features: np.ndarray) -> np.ndarray:
        try:
            return inputs(self._build, features)
        except ValueError as error:
            raise PopleakError(f"defence {self.defence.name!r}: {error}: choose the model logistic or mlp") from None

    def last_layer(self) -> np.ndarray:
        return last_layer(self._build)

    def initial(self, purpose: str | None = None) -> np.ndarray:
        seeds = self.seeds if purpose is None else np.array([derive(int(seed), purpose) for seed in self.seeds])
        return initial_weights(self._build, seeds)

    def trained(self) -> np.ndarray:
        return gradient.trained(self._build)

    def gradient(self, weights: np.ndarray, rows: np.ndarray) -> np.ndarray:
        build, table = self._build, self.fitter.table
        assert table is not None  # what has layers is trained on a table
        return gradient.gradient(build, table, weights, rows, self.fitter.how.device)

    @property
    def _build(self) -> Build:
        if self.fitter.build is None:
            raise PopleakError(f"defence {self.defence.name!r}: a model in closed form has no layers")
        return self.fitter.build

    def _aside(self, rows: np.ndarray, part: slice | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows (k, v) held out of S_0 and of `rows`, and which of them (k, v) no training of the model has seen:
        rehearsed rows are rows of S_0, and a defence may give a row twice."""
        tuned, tuned_out = hold_out(rows, self.seeds[part], self.fitter.validation)
        aside = np.concatenate([self.held_out[part], tuned_out], 1)
        # no model holds both a record and its poisoned twin (`draw`), so ids suffice
        clean, trained = np.empty(aside.shape, dtype=bool), np.zeros(len(self.fitter.records.y), dtype=bool)
        for k, seen in enumerate(zip(self.base[part], tuned, strict=True)):
            for rows_of in seen:
                trained[rows_of] = True
            clean[k] = ~trained[aside[k]]
            for rows_of in seen:
                trained[rows_of] = False
        return aside, clean

    def _validation(self, weights: np.ndarray, rows: np.ndarray, clean: np.ndarray) -> Validation:
        """Return the counts of each model's answers on its own clean rows of (k, v)."""
        positives, counts = np.zeros((len(rows), 2, 2)), np.zeros((len(rows), 2, 2), np.int64)
        # closed forms have no penalty, and nothing is chosen by rates of more than two classes
        if not rows.shape[1] or self.fitter.build is None or self.classes > 2:
            return Validation(positives, counts)
        scores = self.fitter.predict(weights, rows)
        for k, (score, row, ok) in enumerate(zip(scores, rows, clean, strict=True)):
            kept = row[ok]
            (positives[k],), counts[k] = cell_positives(score[ok][None], self.y[kept], self.a[kept])
        return Validation(positives, counts)


def near_duplicates(x: np.ndarray, columns: np.ndarray, seed: int, own: np.ndarray, donors: np.ndarray) -> np.ndarray:
    """Return near-duplicates (n, d) of one model's rows `own` (n,), with values of its rows `donors`; see `Owner.near`.

    x (N, d): the records; columns (d,): as `Owner.columns`; seed: the model's. A donor that is equal in all columns changes nothing.
    """
    rng = generator(int(seed), "near-duplicates")
    copies, given = x[own].copy(), x[np.resize(rng.permutation(donors), len(own))]
    number = np.unique(columns, return_inverse=True)[1].reshape(-1)
    differ = np.add.reduceat((copies != given)[:, np.argsort(number, kind="stable")], _starts(number), axis=1) > 0
    chosen = np.where(differ, rng.random(differ.shape), -1.0).argmax(axis=1)
    changed = number == chosen[:, None]
    copies[changed] = given[changed]
    return copies


def _starts(number: np.ndarray) -> np.ndarray:
    """Return where each number begins, once they are sorted."""
    return np.unique(np.sort(number), return_index=True)[1]
