"""Settings that several defences share."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from ..core.settings import Settings as AnySettings
from ..engine.schedule import Schedule


class MixtureSettings(AnySettings):
    """Settings of every defence that trains on a mixture of S_0 and the complement."""

    rows: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Rows of the mixture, as a share of those of S_0."""

    def unused(self) -> set[str]:
        # as large as S_0 is how it always was: the names of such arms stay what they were
        return super().unused() | ({"rows"} if self.rows == 1 else set())


class ScheduleSettings(AnySettings):
    """How a defence that trains does it, beside epochs and step size."""

    schedule: Schedule | None = None
    """How the step size changes from epoch to epoch, as `training.schedule` has it; None: as `training` says."""
    cycles: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Cycles of the schedule `restarts`; at most as many as epochs."""
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    """L2 penalty on all weights that move; None: that of `training`."""

    def unused(self) -> set[str]:
        own = set() if self.schedule == "restarts" else {"cycles"}
        return super().unused() | own | {name for name in ("schedule", "weight_decay") if getattr(self, name) is None}

    @property
    def steps(self) -> dict[str, Any]:
        """Epochs, step size, schedule and, where it is given, weight decay, as `Owner.train` takes them."""
        more = () if self.weight_decay is None else ("weight_decay",)
        return {name: getattr(self, name) for name in ("epochs", "learning_rate", "schedule", "cycles", *more)}


class TrainSettings(ScheduleSettings):
    """Settings of a defence that trains a new model."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Epochs of training; None: as many as the base model was trained for."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Adam's step size; None: that of `training`."""


class ScratchSettings(MixtureSettings, TrainSettings):
    """Settings of a defence that trains a new model on the mixture. A small mixture needs more epochs for as many steps."""

    rehearsal: float = Field(default=0.5, ge=0, le=1)
    """Share of the rows that come from the model's own draw S_0."""

    def unused(self) -> set[str]:
        # as long as the base model is how it always was: the names of such arms stay what they were
        return super().unused() | {name for name in ("epochs", "learning_rate") if getattr(self, name) is None}


class TuneSettings(ScheduleSettings):
    """Settings of every fine-tuning defence."""

    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Epochs of fine-tuning; None: as many as the base model was trained for."""
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    """Adam's step size in fine-tuning; None: that of `training`."""


class EOSettings(TuneSettings):
    """Settings of a fine-tuning defence with a fairness term, by default of Equalized Odds."""

    eo_weight: Annotated[float, Field(ge=0)] | Literal["auto"] = 1.0
    """Lambda. `auto`: for each model the smallest of `eo_grid` that its validation rows do not refuse. They refuse one where they show
    at the 5 % level that Delta_EO (or what `criterion` compares) exceeds `eo_target`; `popleak plan` warns where they are too few to show it."""
    eo_grid: Annotated[tuple[float, ...], Field(min_length=1)] = (0.5, 1.0, 2.0, 4.0)
    """The grid of `auto`, rising."""

    eo_target: float = Field(default=0.05, ge=0, le=1)
    """Delta_EO, or the difference of the rates that another `criterion` compares, that `auto` allows, and that the lagrangian form lets pass (its epsilon)."""
    penalty: Literal["absolute", "squared", "lagrangian", "covariance", "hsic"] = "absolute"
    """Form of the penalty: on the difference of the groups' mean scores; on the covariance of score and group, which counts a difference less
    where a group is rare; or on their dependence (`hsic`, Gaussian kernel of standard deviation 0.25), which sees more than means."""
    criterion: Literal["equalized-odds", "demographic-parity", "equal-opportunity"] = "equalized-odds"
    """What the groups are compared on: the rows of each label; all rows; or those of label 1, for two classes. `auto` follows it."""
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
        there = {"eo_grid": chosen, "eo_target": aimed, "criterion": self.criterion != "equalized-odds"}
        return super().unused() | {name for name, so in there.items() if not so}


class AnswersSettings(AnySettings):
    """Settings of every defence that answers at random."""

    answers: Literal["fresh", "frozen"] = "fresh"
    """Whether a query that is asked again is drawn again. Frozen: it is drawn once for each model and query point, from the model's seed and
    the point's id, so that asking again tells nothing more."""

    def unused(self) -> set[str]:
        # fresh is how it always was: the names of such arms stay what they were
        return super().unused() | ({"answers"} if self.answers == "fresh" else set())
