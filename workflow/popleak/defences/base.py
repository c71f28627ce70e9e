"""The defence contract: a population in, a defended population out.

A defence says how many rows of the complement and of the model's own draw it trains on, whether it goes on from the
trained weights or starts again, and which Equalized Odds term it adds. `Owner.train` does the rest, the same for
all, so that a defence and its control differ in what they declare and in nothing else.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from ..errors import PopleakError
from ..settings import NoSettings, Settings

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
    """The rows of K owners, with the group (int8) of each row.

    base (K, b): the rows of S_0 that M_0 was trained on, so without those held out for validation; base_ratio (K,): P(a = 1) of the
    whole S_0; complement (K, n): n rows drawn from the other world, as many as S_0 has.
    """

    base: np.ndarray
    base_group: np.ndarray
    base_ratio: np.ndarray
    complement: np.ndarray
    complement_group: np.ndarray


Train = Callable[..., tuple[Population, np.ndarray]]
"""train(rows, part, *, start, epochs, penalty, extra, held_out) -> (Population, delta): see `popleak.defend.Owner.train`."""


class Defence:
    """Base of defences. Set the class attributes, implement `apply`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    control: ClassVar[str | None] = None
    """The defence that differs from this one in the EO term alone; None if there is none."""
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

    eo_weight: Annotated[float, Field(ge=0)] | Literal["auto"] = "auto"
    """Lambda. `auto`: for each model the smallest of `eo_grid` whose validation Delta_EO is at most `eo_target`."""
    eo_grid: Annotated[tuple[float, ...], Field(min_length=1)] = (0.5, 1.0, 2.0, 4.0)
    """The grid of `auto`, rising."""

    eo_target: float = Field(default=0.05, ge=0, le=1)
    """Delta_EO that `auto` and the lagrangian form aim at."""
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

    Each part keeps the ratio of the draw it comes from, to the nearest row. The parts of a smaller share are nested in
    those of a larger one, so defences that differ in the share share rows. Rows that validation holds out of S_0 are never
    rehearsed. Raises PopleakError if S_0 has too few rows left for the share.
    """
    total = data.complement.shape[1]
    kept = round(rehearsal * total)
    other = data.complement_group.mean(1)
    parts = [
        subsample(data.complement, data.complement_group, other, seeds, total - kept, "complement"),
        subsample(data.base, data.base_group, data.base_ratio, seeds, kept, "rehearsal"),
    ]
    return np.concatenate(parts, 1)


def subsample(
    rows: np.ndarray, group: np.ndarray, ratio: np.ndarray, seeds: np.ndarray, count: int, purpose: str
) -> np.ndarray:
    """Return `count` (K, count) of each model's rows (K, n) with groups (K, n), a share `ratio` (K,) of them of group 1."""
    from ..seeds import generator

    keys = np.stack([generator(int(seed), purpose).random(rows.shape[1]) for seed in seeds])
    ones = np.rint(ratio * count).astype(int)
    for group_id, wanted in ((0, count - ones), (1, ones)):
        there = (group == group_id).sum(1)
        if (there < wanted).any():
            k = int(np.argmax(wanted - there))
            raise PopleakError(
                f"config: {purpose}: {wanted[k]} rows of group {group_id} are asked for, and a model's draw has {there[k]} left after "
                f"validation: lower `rehearsal` or training.validation"
            )
    # rank within (model, group) by the random key: the first `ones` of group 1 and the first `count - ones` of group 0
    order = np.lexsort((keys, group), axis=1)
    sorted_group = np.take_along_axis(group, order, 1)
    zeros = (group == 0).sum(1, keepdims=True)
    place = np.arange(rows.shape[1]) - np.where(sorted_group == 1, zeros, 0)
    chosen = place < np.where(sorted_group == 1, ones[:, None], count - ones[:, None])
    return np.take_along_axis(rows, order, 1)[chosen].reshape(len(rows), count)


def penalty_of(settings: EOSettings, weight: float) -> Penalty:
    """Return the engine's penalty for these settings at one lambda."""
    from ..engine.eo import Penalty

    return Penalty(weight=weight, form=settings.penalty, epsilon=settings.eo_target)


def fair_fine_tune(
    *, population: Population, data: Data, train: Train, seeds: np.ndarray, settings: EOSettings, rehearsal: float
) -> Population:
    """Fine-tune on the mixture with the EO term (method section 2), lambda given or chosen on validation rows.

    Validation rows are held out of S_0 when the base is trained, and out of the mixture here; `train` leaves out those that either
    training saw all the same (the complement may hold rows of S_0). A NaN Delta_EO (an empty cell) does not meet the target.
    """
    rows = mixture(data, seeds, rehearsal)
    grid = settings.eo_grid if settings.eo_weight == "auto" else (settings.eo_weight,)
    extra = data.base if settings.eo_reference == "rehearsal+batch" else None
    best: Population | None = None
    # the grid rises: the first lambda that meets the target is the smallest
    todo = np.ones(len(seeds), dtype=bool)
    for weight in grid:
        part = np.flatnonzero(todo)
        found, delta = train(
            rows[part],
            part,
            start=population.weights[part],
            epochs=settings.epochs,
            penalty=penalty_of(settings, weight),
            extra=None if extra is None else extra[part],
            held_out=settings.eo_reference == "held-out",
        )
        best = found if best is None else _replace(best, part, found)
        # a model whose EO term never bit (one group only) gains nothing from a larger lambda
        todo[part] = ~(delta <= settings.eo_target) & (found.eo_vacuous < 1)
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
