"""The defence contract: a population in, a defended population out.

A defence says how many rows of the complement and of the model's own draw it trains on, whether it goes on from the
trained weights or starts again, and which Equalized Odds term it adds. `Owner.train` does the rest, the same for
all, so that a defence and its control differ in what they declare and in nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from ..core.errors import PopleakError
from ..core.needs import Mixing, Stratum
from ..core.settings import NoSettings, Settings

if TYPE_CHECKING:
    from ..engine.eo import Penalty


@dataclass(frozen=True)
class Population:
    """K models: weights (K, P), finite (K,) bool, and what the defence did to each of them.

    eo_weight (K,): lambda of the EO term, 0 where there is none; eo_vacuous (K,): share of its terms that were vacuous.
    """

    weights: np.ndarray
    finite: np.ndarray
    eo_weight: np.ndarray
    eo_vacuous: np.ndarray


@dataclass(frozen=True)
class Data:
    """The rows of K owners, with the label and the group (int8) of each row.

    base (K, b): the rows of S_0 that M_0 was trained on, so without those held out for validation; complement (K, n): n rows drawn
    from the other world, as many as S_0 has, and none of them a row of S_0, or (K, 0) for a defence without complement; mixing: how many rows of either a mixture takes.
    """

    base: np.ndarray
    base_label: np.ndarray
    base_group: np.ndarray
    complement: np.ndarray
    complement_label: np.ndarray
    complement_group: np.ndarray
    mixing: Mixing


@dataclass(frozen=True)
class Validation:
    """What K models do on their own validation rows, those that no training of them has seen: positives and counts
    (K, 2, 2), hard labels 1 and rows by [model, y, a]. A model with a score that is not finite has NaN positives."""

    positives: np.ndarray
    counts: np.ndarray


Train = Callable[..., tuple[Population, Validation | None]]
"""train(rows, part, *, start, epochs, learning_rate, penalty, extra, held_out) -> (Population, Validation): see
`popleak.stages.defend.Owner.train`."""


class Defence:
    """Base of defences. Set the class attributes, implement `apply`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    control: ClassVar[str | None] = None
    """The defence that differs from this one in the EO term alone; None if there is none."""
    classes: ClassVar[int | None] = 2
    """How many classes the label has that models are defended on; None: any number."""
    complement: ClassVar[bool] = True
    """False: trains on no row of the complement. None is drawn for it then, and `data.complement` is (K, 0)."""
    closed_form: ClassVar[bool] = False
    """True: applies to models that are not trained by gradient steps, too."""
    randomised: ClassVar[bool] = False
    """True: the defended model answers with fresh randomness each time: implement `answer`."""
    Settings: ClassVar[type[Settings]] = NoSettings

    def answer(self, *, scores: np.ndarray, repeats: int, rng: np.random.Generator, settings: Settings) -> np.ndarray:
        """Return what one model answers (repeats, q) when each of its q queries is asked `repeats` times; of a randomised
        defence alone. scores (q,): P(y = 1 | x) of the model itself."""
        raise NotImplementedError

    def apply(
        self, *, population: Population, data: Data, train: Train, seeds: np.ndarray, settings: Settings
    ) -> Population:
        """Return the defended population. All randomness comes from the models' own `seeds` (K,)."""
        raise NotImplementedError


class TuneSettings(Settings):
    """Settings of every fine-tuning defence."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Epochs of fine-tuning; None: as many as the base model was trained for."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Adam's step size in fine-tuning; None: that of `training`."""


class EOSettings(TuneSettings):
    """Settings of a fine-tuning defence with an Equalized Odds term."""

    eo_weight: Annotated[float, Field(ge=0)] | Literal["auto"] = 1.0
    """Lambda. `auto`: for each model the smallest of `eo_grid` that its validation rows do not refuse. They refuse one where they show
    at the 5 % level that Delta_EO exceeds `eo_target`; `popleak plan` warns where they are too few to show it."""
    eo_grid: Annotated[tuple[float, ...], Field(min_length=1)] = (0.5, 1.0, 2.0, 4.0)
    """The grid of `auto`, rising."""

    eo_target: float = Field(default=0.05, ge=0, le=1)
    """Delta_EO that `auto` allows, and that the lagrangian form lets pass (its epsilon)."""
    penalty: Literal["absolute", "squared", "lagrangian"] = "absolute"
    """Form of the penalty on the difference of mean scores."""
    eo_reference: Literal["batch", "rehearsal+batch", "held-out"] = "batch"
    """Rows that the EO term sees: the batch; the batch and as many rows of S_0; or held-out rows of S_0 and the complement alone."""

    @field_validator("eo_grid")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if value[0] < 0 or any(after <= before for before, after in itertools.pairwise(value)):
            raise ValueError("the grid must rise and start at 0 or above")
        return value

    def unused(self) -> set[str]:
        chosen = self.eo_weight == "auto"
        aimed = chosen or self.penalty == "lagrangian"
        return ({"eo_grid"} if not chosen else set()) | ({"eo_target"} if not aimed else set())


def mixture(data: Data, seeds: np.ndarray, rehearsal: float) -> np.ndarray:
    """Return the rows (K, n) to fine-tune on: a share `rehearsal` from S_0, the rest from the complement.

    The counts by group, where labels are balanced by label and group, are exact (`needs.Mixing.parts`), and within these rows are
    drawn without replacement: at one half the set of rows has one law whichever of the two worlds S_0 is from. The parts of a smaller
    share are nested in those of a larger one but for a row or two of rounding, so defences that differ in the share share rows.
    Rows that validation holds out of S_0 are never rehearsed. Raises PopleakError if S_0 has too few rows left for the share.
    """
    rehearsed, rest = data.mixing.parts(rehearsal)
    parts = [
        subsample(data.complement, data.complement_label, data.complement_group, seeds, rest, "complement"),
        subsample(data.base, data.base_label, data.base_group, seeds, rehearsed, "rehearsal"),
    ]
    return np.concatenate(parts, 1)


def subsample(
    rows: np.ndarray,
    label: np.ndarray,
    group: np.ndarray,
    seeds: np.ndarray,
    wanted: Mapping[Stratum, int],
    purpose: str,
) -> np.ndarray:
    """Return of each model's rows (K, n), with labels and groups (K, n), as many of each stratum as `wanted` says, at random."""
    from ..core.seeds import generator

    keys = np.stack([generator(int(seed), purpose).random(rows.shape[1]) for seed in seeds])
    stratum, sizes = np.zeros(rows.shape, dtype=np.int8), np.array(list(wanted.values()))
    for i, (y, a) in enumerate(wanted):
        stratum[(group == a) & (True if y is None else label == y)] = i
    there = np.stack([(stratum == i).sum(1) for i in range(len(sizes))], 1)
    if (there < sizes).any():
        k, i = np.argwhere(there < sizes)[0]
        y, a = list(wanted)[i]
        named = f"group {a}" + ("" if y is None else f" with label {y}")
        raise PopleakError(
            f"config: {purpose}: {sizes[i]} rows of {named} are asked for, and a model's draw has {there[k, i]} left after "
            f"validation: lower `rehearsal` or training.validation"
        )
    # rank within (model, stratum) by the random key: the first of each
    order = np.lexsort((keys, stratum), axis=1)
    stratum = np.take_along_axis(stratum, order, 1)
    first = np.cumsum(there, 1) - there
    chosen = np.arange(rows.shape[1]) - np.take_along_axis(first, stratum, 1) < sizes[stratum]
    return np.take_along_axis(rows, order, 1)[chosen].reshape(len(rows), sizes.sum())


def penalty_of(settings: EOSettings, weight: float) -> Penalty:
    """Return the engine's penalty for these settings at one lambda."""
    from ..engine.eo import Penalty

    return Penalty(weight=weight, form=settings.penalty, epsilon=settings.eo_target)


def fair_fine_tune(
    *, population: Population, data: Data, train: Train, seeds: np.ndarray, settings: EOSettings, rehearsal: float
) -> Population:
    """Fine-tune on the mixture with the EO term (method section 2), lambda given or chosen on validation rows.

    Validation rows are held out of S_0 when the base is trained, and out of the mixture here; `train` leaves out those that either
    training saw all the same (rehearsed rows are rows of S_0). A lambda of the grid is refused only where they show that
    Delta_EO exceeds the target (`measures.target.exceeds`): rows that show nothing refuse nothing.
    """
    from ..measures import target

    rows = mixture(data, seeds, rehearsal)
    grid = settings.eo_grid if settings.eo_weight == "auto" else (settings.eo_weight,)
    extra = data.base if settings.eo_reference == "rehearsal+batch" else None
    best: Population | None = None
    # the grid rises: the first lambda that is not refused is the smallest
    todo = np.ones(len(seeds), dtype=bool)
    for weight in grid:
        part = np.flatnonzero(todo)
        found, validation = train(
            rows[part],
            part,
            start=population.weights[part],
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            penalty=penalty_of(settings, weight),
            extra=None if extra is None else extra[part],
            held_out=settings.eo_reference == "held-out",
        )
        best = found if best is None else _replace(best, part, found)
        if weight == grid[-1]:
            break
        # a model whose EO term never bit (one group only) gains nothing from a larger lambda
        refused = target.exceeds(validation.positives, validation.counts, settings.eo_target)
        todo[part] = refused & (found.eo_vacuous < 1)
        if not todo.any():
            break
    return best


def _replace(whole: Population, part: np.ndarray, found: Population) -> Population:
    values = {}
    for name in Population.__dataclass_fields__:
        column = getattr(whole, name).copy()
        column[part] = getattr(found, name)
        values[name] = column
    return Population(**values)
