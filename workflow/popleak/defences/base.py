"""The defence contract, version 2: K owners in, K defended models out, and what these answer.

A defence declares what it needs (rows of the complement, public rows, targets, row weights, a mask, clipping; the group of
a query), so that the plan knows it before any job. `apply` gets an `Owner`, which offers the rows and trains, the same for all
defences, so that a defence and its control differ in what they declare and in nothing else. `finish` may fit a state that is kept
with each model, and `answer` may change what the model says.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ..core.frozen import Frozen, Stream
from ..core.settings import NoSettings
from ..core.settings import Settings as AnySettings
from ._fair import fair_fine_tune, penalty_of
from ._mixture import mixture, subsample
from ._owner import Owner, Population, Validation
from ._price import Access, Used, used
from ._retune import RetuneSettings, checkpoint, retune
from ._settings import (
    AnswersSettings,
    EOSettings,
    MixtureSettings,
    ScheduleSettings,
    ScratchSettings,
    TrainSettings,
    TuneSettings,
)

if TYPE_CHECKING:
    from ..core.needs import Mixing

__all__ = [
    "AnswersSettings", "Defence", "EOSettings", "Frozen", "MixtureSettings", "Owner", "Population", "RetuneSettings", "ScheduleSettings", "ScratchSettings", "Stream",
    "TrainSettings", "TuneSettings", "Used", "Validation", "checkpoint", "fair_fine_tune", "mixture", "penalty_of", "retune", "subsample",
]  # fmt: skip


class Defence:
    """Base of defences. Set the class attributes, implement `apply`; where the released model does more than its weights say,
    `finish` or `answer` too."""

    name: ClassVar[str]
    summary: ClassVar[str]
    plain: ClassVar[str] = ""
    """What it does, in the words of somebody who owns one model and one table; the summary where it is empty."""
    control: ClassVar[str | None] = None
    """The defence that differs from this one in the fairness term alone; None if there is none. It may be the defence itself, at the
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
    """What its training asks for beyond cross-entropy on the records' labels and the EO term: some of targets, weights, mask, clip, l1. The compiled
    loops do these for MLPs with one logit, in 1.2 times the time, or 4 times with clip and noise, which need ReLU; other models
    are then trained by torch. `popleak plan` counts both in, and says where torch is several times slower."""
    seconds: ClassVar[float | None] = None
    """CPU seconds that a model takes on the reference core where the defence trains nothing; None: it trains once."""
    closed_form: ClassVar[bool] = False
    """True: applies to models that are not trained by gradient steps, too."""
    randomised: ClassVar[bool] = False
    """True: the defended model answers with fresh randomness each time. False: it answers a query always alike, and is asked once.
    Where that depends on the settings, implement `randomises`."""
    generators: ClassVar[bool] = False
    """True: applies to generators, too: it trains with nothing but rows, epochs and learning rate."""
    classifiers: ClassVar[bool] = True
    """False: applies to generators alone."""
    chains_only: ClassVar[bool] = False
    """True: applies to chains of Linear and ReLU with one logit alone."""
    mlps_only: ClassVar[bool] = False
    """True: applies to MLPs alone, whatever their hidden units do."""
    audited: ClassVar[bool] = False
    """True: the stage `defend` runs the worst case of each victim too, for the attack `worst-case`."""
    uses_group: ClassVar[bool] = False
    """True: `answer` looks at the group of the query, which whoever asks must then tell."""
    access: ClassVar[Access] = "post-hoc"
    """`training`: makes the released model without M_0, so that whoever trains must apply it. `post-hoc`: starts from M_0 or its answers."""
    needs_weights: ClassVar[bool] = True
    """False: a post-hoc defence that needs M_0's answers alone, not its weights."""
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

    def control_of(self, settings: Any) -> str | None:
        """Return the control at these settings; None if there is none."""
        return self.control

    def teacher_of(self, settings: Any) -> tuple[str, dict[str, Any]] | None:
        """Return the name and the settings of the defence whose models its models learn from, `none` for M_0's, as the question of membership
        compares the two; None for a defence whose models are no students."""
        return None

    def received(self, settings: Any) -> tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]] | None:
        """Return whose rows its models are trained on: the name and settings of a generator, and those of what its sharer does; None for a
        defence that trains on records alone. The rows are then `owner.samples`."""
        return None

    def group_share(self, settings: Any) -> float | None:
        """Return P(a = 1) among the rows that are released of a generator, which are chosen so; None: as they are drawn. With a number the generator
        itself stays what it is."""
        return None

    def publishes(self, settings: Any) -> bool:
        """Return whether it trains on public rows at these settings."""
        return self.public

    def complements(self, settings: Any) -> bool:
        """Return whether it trains on rows of the complement at these settings."""
        return self.complement

    def refuses(self, mixing: Mixing, settings: Any) -> str | None:
        """Return why it cannot be applied to models whose rows are as `mixing` has them, for the plan to refuse it in one line before any
        job; None if it can."""
        return None

    def randomises(self, settings: Any) -> bool:
        """Return whether the model answers with fresh randomness each time at these settings; by default `randomised`, but for a setting `answers`
        that says frozen."""
        return self.randomised and not self.freezes(settings)

    def freezes(self, settings: Any) -> bool:
        """Return whether answers are drawn once for each model and query point: `answer` then draws from a `Frozen`, and a query that
        is asked again is answered as before."""
        return getattr(settings, "answers", "fresh") == "frozen"

    def members(self, settings: Any) -> int:
        """Return how many models one release holds: M. The weights of a release are then (M * P,), the members' one after the other, and
        `answer` gets the scores of all."""
        return 1

    def access_at(self, settings: Any) -> Access:
        """Return which access it needs at these settings; by default `access`."""
        return self.access

    def asks(self, settings: Any) -> tuple[str, ...]:
        """Return what its training asks for at these settings, some of `wants`; by default all."""
        return self.wants

    def paid(self, base: int, settings: Any) -> float:
        """Return the epochs that a released model costs beside M_0's own training, or in its place with access to the training: those that
        the engine trains, unless M_0's training leaves some of them behind."""
        return self.epochs(base, settings)

    def used(self, settings: Any, held_out: float = 0.0) -> Used:
        """Return how many rows it trains or fits on beside those of M_0's training, as shares of S_0, by default as `_price.used` derives it; at
        most so many, where that depends on the worlds. held_out: the share of S_0 that validation holds out."""
        return used(self, settings, held_out)

    def declared(self) -> list[str]:
        """Return in words what the defence declares beyond its settings: what it needs, and what its release does."""
        at = ", ".join(f"{key} {'null' if value is None else f'{value:g}'}" for key, value in self.control_at.items())
        found = {
            f"its control has the settings {at}": bool(at),
            "needs access to the training": self.access == "training",
            "needs the model's answers alone, not its weights": self.access == "post-hoc" and not self.needs_weights,
            "trains on rows of the complement": self.complement,
            "trains on public rows": self.public,
            f"asks the engine for {', '.join(self.wants)}": bool(self.wants),
            "keeps a fitted state with each model": self.finishes,
            "changes what the model says": self.answers and not self.randomised,
            "answers at random, afresh for every query": self.randomised,
            "may answer at random, but always alike (`answers: frozen`)": "answers" in self.Settings.model_fields,
            "releases several models that answer together": type(self).members is not Defence.members,
            "must be told the group of each query": self.uses_group,
            f"takes labels of {self.classes} classes": self.classes is not None,
            "applies to models in closed form too": self.closed_form,
            "applies to chains of Linear and ReLU with one logit alone": self.chains_only,
            "applies to MLPs alone": self.mlps_only,
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

    def epochs(self, base: int, settings: Any) -> float:
        """Return how long the engine trains a model: all its trainings together, in epochs over as many rows as the base model's, which was
        trained for `base` of them. By default it is one training, as long as the setting `epochs` says, on as many rows as `rows` says."""
        rows = settings.rows if isinstance(settings, MixtureSettings) else 1.0
        return rows * (getattr(settings, "epochs", None) or base)

    def apply(self, owner: Owner, settings: Any) -> Population:
        """Return the defended models, weights (K, M * P). A model must not depend on those beside it."""
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
        rng: Stream,
        settings: Any,
    ) -> np.ndarray:
        """Return what one model answers, (repeats, q) or (repeats, q, C), each in [0, 1], when each of its q queries is asked `repeats` times.

        scores: of the model itself, (q,) or (q, C), or of the M `members` of a release, (M, q) or (M, q, C); group (q,): of the query
        points, which only a defence with `uses_group` may look at; state (S,): what `finish` returned for this model; rng: a generator, or
        a `Frozen` if the defence `freezes`. A defence that does not randomise is asked with repeats = 1, and unless it freezes must
        not use rng. What is not a number stays so.
        """
        raise NotImplementedError
