"""The defence contract, version 2: K owners in, K defended models out, and what these answer.

A defence declares what it needs (rows of the complement, public rows, targets, row weights, a mask, clipping; the group of
a query), so that the plan knows it before any job. `apply` gets an `Owner`, which offers the rows and trains, the same for all
defences, so that a defence and its control differ in what they declare and in nothing else. `finish` may fit a state that is kept
with each model, and `answer` may change what the model says.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from ..core.errors import PopleakError
from ..core.needs import Mixing, Stratum
from ..core.settings import NoSettings
from ..core.settings import Settings as AnySettings

if TYPE_CHECKING:
    from ..engine.convex import Descent
    from ..engine.eo import Penalty
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
    population
        The base models M_0.
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
    mixing
        How many rows of S_0 and of the complement a mixture takes.
    ledger
        What each training really used, in order (`_entries`): what certificates are computed from.
    """

    x: np.ndarray
    y: np.ndarray
    a: np.ndarray
    classes: int
    population: Population
    seeds: np.ndarray
    draw: np.ndarray
    base: np.ndarray
    held_out: np.ndarray
    complement: np.ndarray
    public: np.ndarray
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
        targets: np.ndarray | None = None,
        weights: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        clip: float | None = None,
        noise: float = 0.0,
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
        epochs, learning_rate
            None is what the base models were trained with.
        targets, weights, mask, clip, noise
            As `engine.objective.Objective` has them: labels or soft targets in place of the records', (k, n) or (k, n, C); row weights
            (k, n); the numbers of a model (P,) that may move; per-example clipping and noise. Only what the defence declares in `wants`.
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

    def last_layer(self) -> np.ndarray:
        """Return for each number of a model (P,) whether it belongs to the last layer: a mask for `train`."""
        raise NotImplementedError


class Defence:
    """Base of defences. Set the class attributes, implement `apply`; where the released model does more than its weights say,
    `finish` or `answer` too."""

    name: ClassVar[str]
    summary: ClassVar[str]
    control: ClassVar[str | None] = None
    """The defence that differs from this one in the EO term alone; None if there is none. It may be the defence itself, at the
    settings `control_at`."""
    control_at: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """Settings in which the control differs from this defence; in all others that both have they agree."""
    classes: ClassVar[int | None] = 2
    """How many classes the label has that models are defended on; None: any number."""
    complement: ClassVar[bool] = True
    """False: the defence trains on no row of the complement. None is then drawn for it, and `owner.complement` is (K, 0)."""
    public: ClassVar[bool] = False
    """True: trains on public rows, `owner.public`. The task then has a public pool (`population.public_share`)."""
    wants: ClassVar[tuple[str, ...]] = ()
    """What its training asks for beyond cross-entropy on the records' labels and the EO term: some of targets, weights, mask, clip. The compiled
    loops do none of these, so torch trains, several times slower; `popleak plan` says how much."""
    seconds: ClassVar[float | None] = None
    """CPU seconds that a model takes on the reference core where the defence trains nothing; None: it trains once."""
    closed_form: ClassVar[bool] = False
    """True: applies to models that are not trained by gradient steps, too."""
    randomised: ClassVar[bool] = False
    """True: the defended model answers with fresh randomness each time. False: it answers a query always alike, and is asked once."""
    chains_only: ClassVar[bool] = False
    """True: applies to chains of Linear and ReLU with one logit alone."""
    audited: ClassVar[bool] = False
    """True: the stage `defend` runs the worst case of each victim too, for the attack `worst-case`."""
    uses_group: ClassVar[bool] = False
    """True: `answer` looks at the group of the query, which whoever asks must then tell."""
    Settings: ClassVar[type[AnySettings]] = NoSettings
    """The plugin's own settings. The methods are given what was read into them, so each names its own class."""

    @property
    def answers(self) -> bool:
        """Whether the defence changes what the model says."""
        return type(self).answer is not Defence.answer

    @property
    def finishes(self) -> bool:
        """Whether the defence keeps a state with each model."""
        return type(self).finish is not Defence.finish

    @property
    def certifies(self) -> bool:
        """Whether there is a theorem on the defence: it keeps a certified advantage with each model."""
        return type(self).certify is not Defence.certify

    def publishes(self, settings: Any) -> bool:
        """Return whether it trains on public rows at these settings."""
        return self.public

    def declared(self) -> list[str]:
        """Return in words what the defence declares beyond its settings: what it needs, and what its release does."""
        at = ", ".join(f"{key} {value:g}" for key, value in self.control_at.items())
        found = {
            f"its control has the settings {at}": bool(at),
            "trains on rows of the complement": self.complement,
            "trains on public rows": self.public,
            f"asks the engine for {', '.join(self.wants)}": bool(self.wants),
            "keeps a fitted state with each model": self.finishes,
            "changes what the model says": self.answers and not self.randomised,
            "answers at random, afresh for every query": self.randomised,
            "must be told the group of each query": self.uses_group,
            f"takes labels of {self.classes} classes": self.classes is not None,
            "applies to models in closed form too": self.closed_form,
            "applies to chains of Linear and ReLU with one logit alone": self.chains_only,
            "certifies the advantage of each model ([certificates](certificates.md))": self.certifies,
        }
        return [text for text, so in found.items() if so]

    def certify(self, owner: Owner, settings: Any) -> np.ndarray:
        """Return for each model (K,) the advantage in [0, 1] that no adversary exceeds in telling two worlds apart, by a theorem; called
        after `apply`. NaN where a condition of the theorem is not seen to hold in `owner.ledger`: what is certified is what
        was done, not what was asked for. The claim of kind `certified` holds the measurements to it."""
        raise NotImplementedError

    def cost(self, rows: int, features: int, settings: Any) -> float | None:
        """Return the CPU seconds that a model takes on the reference core where the engine's loops do not train it; None: it
        trains once. rows: of a draw; features: that a model's last layer sees."""
        return self.seconds

    def apply(self, owner: Owner, settings: Any) -> Population:
        """Return the defended models. A model must not depend on those beside it."""
        raise NotImplementedError

    def finish(self, owner: Owner, population: Population, settings: Any) -> np.ndarray:
        """Return what the release keeps beside the weights of the defended models `population`: a state (K, S) float64, finite."""
        raise NotImplementedError

    def answer(
        self,
        *,
        scores: np.ndarray,
        group: np.ndarray,
        state: np.ndarray,
        repeats: int,
        rng: np.random.Generator,
        settings: Any,
    ) -> np.ndarray:
        """Return what one model answers, (repeats, q) or (repeats, q, C), each in [0, 1], when each of its q queries is asked `repeats` times.

        scores: of the model itself, (q,) or (q, C); group (q,): of the query points, which only a defence with `uses_group` may look at;
        state (S,): what `finish` returned for this model. A defence that is not randomised is asked with repeats = 1, and must not
        use rng. What is not a number stays so.
        """
        raise NotImplementedError


class MixtureSettings(AnySettings):
    """Settings of every defence that trains on a mixture of S_0 and the complement."""

    rows: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Rows of the mixture, as a share of those of S_0."""

    def unused(self) -> set[str]:
        # as large as S_0 is how it always was: the names of such arms stay what they were
        return {"rows"} if self.rows == 1 else set()


class TrainSettings(AnySettings):
    """Settings of a defence that trains a new model."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Epochs of training; None: as many as the base model was trained for."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Adam's step size; None: that of `training`."""


class TuneSettings(AnySettings):
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


def mixture(owner: Owner, rehearsal: float, rows: float = 1.0) -> np.ndarray:
    """Return the rows (K, m) to fine-tune on: a share `rehearsal` from S_0, the rest from the complement; m is `rows` times those of S_0.

    The counts by group, where labels are balanced by label and group, are exact (`needs.Mixing.parts`), and within these rows are
    drawn without replacement: at one half the set of rows has one law whichever of the two worlds S_0 is from. The parts of a smaller
    share are nested in those of a larger one but for a row or two of rounding, so defences that differ in the share share rows.
    Rows that validation holds out of S_0 are never rehearsed. Raises PopleakError if S_0 has too few rows left for the share.
    """
    rehearsed, rest = owner.mixing.parts(rehearsal, rows)
    return np.concatenate(
        [
            subsample(owner, owner.complement, rest, "complement"),
            subsample(owner, owner.base, rehearsed, "rehearsal"),
        ],
        1,
    )


def subsample(owner: Owner, rows: np.ndarray, wanted: Mapping[Stratum, int], purpose: str) -> np.ndarray:
    """Return of each model's rows (K, n) as many of each stratum as `wanted` says, at random."""
    from ..core.seeds import generator

    label, group = owner.y[rows], owner.a[rows]
    keys = np.stack([generator(int(seed), purpose).random(rows.shape[1]) for seed in owner.seeds])
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
    owner: Owner, settings: EOSettings, rehearsal: float, mask: np.ndarray | None = None, share: float = 1.0
) -> Population:
    """Fine-tune on the mixture with the EO term (method section 2), lambda given or chosen on validation rows. share: see `mixture`.

    mask (P,): the weights that may move; None: all. Validation rows are held out of S_0 when the base is trained, and out of the mixture
    here; `train` leaves out those that either training saw all the same (rehearsed rows are rows of S_0). A lambda of the grid
    is refused only where they show that Delta_EO exceeds the target (`measures.target.exceeds`): rows that show nothing refuse nothing.
    """
    from ..measures import target

    rows = mixture(owner, rehearsal, share)
    grid = settings.eo_grid if settings.eo_weight == "auto" else (settings.eo_weight,)
    extra = owner.base if settings.eo_reference == "rehearsal+batch" else None

    def tuned(part: np.ndarray, weight: float) -> tuple[Population, Validation]:
        found, validation = owner.train(
            rows[part],
            part=part,
            start=owner.population.weights[part],
            epochs=settings.epochs,
            learning_rate=settings.learning_rate,
            mask=mask,
            penalty=penalty_of(settings, weight),
            extra=None if extra is None else extra[part],
            held_out=settings.eo_reference == "held-out",
        )
        if validation is None:
            raise TypeError("an owner must say what models trained with an EO term do on their validation rows")
        return found, validation

    part = np.arange(len(rows))
    found, validation = tuned(part, grid[0])
    best = found
    for weight in grid[1:]:  # it rises: the first lambda that is not refused is the smallest
        # a model whose EO term never bit (one group only) gains nothing from a larger lambda
        refused = target.exceeds(validation.positives, validation.counts, settings.eo_target)
        part = part[refused & (found.eo_vacuous < 1)]
        if not len(part):
            break
        found, validation = tuned(part, weight)
        best = _replace(best, part, found)
    return best


def _replace(whole: Population, part: np.ndarray, found: Population) -> Population:
    values = {}
    for name in Population.__dataclass_fields__:
        column = getattr(whole, name).copy()
        column[part] = getattr(found, name)
        values[name] = column
    return Population(**values)
