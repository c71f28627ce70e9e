"""The keys of a config about the search over the model axis (`popleak pareto`)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from ..core.settings import Settings
from . import axes

Stage = Literal[1, 2, 3]
STAGES: tuple[Stage, ...] = (1, 2, 3)


class Fidelity(Settings):
    """How many models a stage of the search trains for one configuration: as `population` has them, for each world."""

    splits: Annotated[int, Field(ge=1, le=1000)] = 1
    """Pool splits."""
    victims: Annotated[int, Field(ge=2, le=1_000_000)]
    """Victims in each world, over all splits; a multiple of `splits`."""
    shadows: Annotated[int, Field(ge=2, le=100_000)]
    """Shadow models in each world that each split's adversary trains."""

    @model_validator(mode="after")
    def _check(self) -> Fidelity:
        if self.victims % self.splits:
            raise ValueError(f"victims ({self.victims}) must be a multiple of splits ({self.splits})")
        return self


class Search(Settings):
    """The search of `popleak pareto`. Its configurations take the place of the experiment's models, defences and population."""

    trials: Annotated[int, Field(ge=2, le=100_000)] = 30
    """Configurations that a study tries, by the sampler and at random alike. May be raised later: a study goes on."""
    startup: Annotated[int, Field(ge=1, le=100_000)] = 10
    """How many of them the sampler draws at random before it learns from them."""
    seeds: Annotated[int, Field(ge=1, le=1000)] = 5
    """Studies of each sampler and task. Each has a pool split and models of its own."""
    space: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Values of an axis that replace its own (docs/search.md lists axes and values); one value holds the axis fixed."""
    above_constant: Annotated[float, Field(ge=0, lt=0.5)] = 0.02
    """Accuracy floor: a configuration counts only if it is by so much more accurate than the better constant answer. A constant
    model is fair and gives nothing away."""
    front: Annotated[int, Field(ge=1, le=1000)] = 6
    """Configurations of a study's front, at most, that go to stage 2: those that add most to its hypervolume."""
    unselected: Annotated[int, Field(ge=0, le=1000)] = 5
    """Trials of each study of random search, drawn by no value, that go to stage 2 too: what a choice by stage 1 flatters is told beside them."""
    survivors: Annotated[int, Field(ge=1, le=100)] = 12
    """Configurations of a task, at most, that go to stage 3: those that beat the default in stage 2, then others of its front. Stage 3
    gives the results; by values of stage 2 these were chosen."""
    curve: tuple[Annotated[float, Field(ge=0)], ...] = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    """Weights of the EO term at which the default configuration alone is run in stage 2."""
    transfer: tuple[str, ...] = ()
    """Ids of tasks that are not searched: the first searched task's configurations of stage 3 are run there, to see whether their
    order holds."""
    transferred: Annotated[int, Field(ge=2, le=1000)] = 12
    """Configurations, at most, that are run there."""
    first: Fidelity = Fidelity(victims=12, shadows=12)
    """Stage 1: what a trial of the search trains. 24 victims and 24 shadows over both worlds."""
    second: Fidelity = Fidelity(victims=40, shadows=40)
    """Stage 2, on another pool split: fronts, unselected trials, default and curve. 80 victims and 80 shadows over both worlds."""
    third: Fidelity = Fidelity(splits=3, victims=96, shadows=32)
    """Stage 3, on further pool splits: what stage 2 chose, and the default. In each split 64 victims and 64 shadows over both worlds."""

    @field_validator("space")
    @classmethod
    def _axes(cls, value: dict[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        if unknown := sorted(set(value) - set(axes.NAMES)):
            raise ValueError(f"no axis {unknown[0]!r}: choose from {', '.join(axes.NAMES)}")
        for name, values in value.items():
            if any(one == other for i, one in enumerate(values) for other in values[:i]):  # 1 and 1.0 are one value
                raise ValueError(f"{name}: each value may appear once")
            for one in (
                values if name == axes.DEPTH else ()
            ):  # the one axis that is no setting of its own, so no plugin judges it
                if type(one) is not int or not 1 <= one <= axes.DEEPEST:
                    raise ValueError(
                        f"{name}: {one!r} is no number of layers: give whole numbers from 1 to {axes.DEEPEST}"
                    )
        return value

    @model_validator(mode="after")
    def _check(self) -> Search:
        if len(set(self.curve)) < len(self.curve):
            raise ValueError("curve: each weight may appear once")
        return self

    def fidelity(self, stage: Stage) -> Fidelity:
        return {1: self.first, 2: self.second, 3: self.third}[stage]

    def axes(self) -> list[axes.Axis]:
        """Return the axes with the values that the search takes."""
        return [axis._replace(values=tuple(self.space.get(axis.name, axis.values))) for axis in axes.AXES]
