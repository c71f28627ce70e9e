"""A task of an experiment: a dataset, the worlds that are asked about, and the poison of an adversary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ..core import plugins
from ..core.protocols import OLD
from ..core.settings import Settings
from .entries import Choices, Id, Others, Placebos, Ratio, RatioMode, Rows, each_once


def _protocol(value: Any) -> Any:
    return OLD.get(value, value) if value is None or isinstance(value, str) else value


class Worlds(Settings):
    """The worlds that the adversary distinguishes: a pair, or many."""

    protocol: Annotated[str, BeforeValidator(_protocol)]
    """What is asked, and in which form (`popleak list questions`). pure: one group against the other; ratio: two mixtures; equal: one mixture twice, so every attack must be at chance (`null` in earlier
    versions, which is read as `equal`); k-ary: three or more mixtures, of which the adversary names one and estimates its ratio (attacks that can; see `popleak list attacks`)."""
    ratios: tuple[Ratio, ...] | None = None
    """P(a = 1) in each world, or what else worlds of the protocol differ in. pure: always [0, 1]; equal: two equal ratios, by default
    [0.5, 0.5]; k-ary: rising."""

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"protocol": value}
        if isinstance(value, Mapping) and value.get("ratios") is None:
            protocol = _protocol(value.get("protocol"))
            if isinstance(protocol, str) and protocol in plugins.protocols():
                value = {**value, "ratios": plugins.question(protocol).ratios(protocol, None)}
        return value

    @field_validator("protocol")
    @classmethod
    def _known(cls, value: str) -> str:
        known = sorted(plugins.protocols())
        if value not in known:
            raise ValueError(f"unknown: choose from {', '.join(known)}")
        return value

    @model_validator(mode="after")
    def _check(self) -> Worlds:
        self.question.ratios(self.protocol, self.ratios)
        return self

    @property
    def question(self) -> Any:
        """The plugin whose question is asked."""
        return plugins.question(self.protocol)


class Poison(Settings):
    """What an adversary adds to every draw, of victims and shadows alike, before training (Chaudhari et al., SNAP, S&P 2023)."""

    shares: Annotated[tuple[Annotated[float, Field(ge=0, lt=0.5)], ...], Field(min_length=1)] = (0.0,)
    """Shares of a model's own draw that are the adversary's; each pair of worlds is run with each share. They take the place of clean rows,
    come from the adversary's pool, and are the same for all models of a pool split. Complements stay clean."""
    group: Literal[0, 1] = 1
    """Group of the poisoned records, and of the points that the attack `snap` looks at."""
    label: Literal[0, 1] = 0
    """Their true label, which is flipped."""

    @field_validator("shares")
    @classmethod
    def _once(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        return each_once(tuple(share + 0.0 for share in value))


class Task(Settings):
    """A dataset, a label and a sensitive attribute."""

    dataset: str
    """Name of the dataset: see `popleak list datasets`."""
    id: Id | None = None
    """Name in tables and figures; by default dataset-attribute, with -in added if the attribute is among the features."""
    label: str | None = None
    """What the model predicts; by default the dataset's first."""
    attribute: str | None = None
    """The sensitive attribute; by default the dataset's first."""
    attribute_in_features: bool = False
    """Whether models see the attribute too: the group as one more feature, 0 or 1, named after the attribute. The draws stay those of
    the same task without it."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The dataset's own options."""
    rows: Rows = 2000
    """Rows that each model draws, the same in all worlds; the share `training.validation` of them is held out of training. `auto`: half
    of what the smallest pool allows one draw, at most 2000."""
    query_rows: Rows = 1000
    """Query points of each group that the adversary asks, disjoint from all training rows. `auto`: what the query pool holds, at most
    1000. Utility, fairness and bounds are measured on the whole query pool, whatever this is."""
    models: Choices | None = None
    """Replaces the experiment's models for this task."""
    worlds: Annotated[tuple[Worlds, ...], Field(min_length=1)] | None = None
    """Replaces the experiment's worlds for this task."""
    ratio_mode: RatioMode | None = None
    """Replaces the experiment's ratio mode for this task."""
    defences: Choices | None = None
    """Replaces the experiment's defences for this task."""
    attacks: Choices | None = None
    """Replaces the experiment's attacks for this task."""
    shadow_models: Others | None = None
    """Replaces the experiment's shadow models for this task."""
    generators: Others | None = None
    """Replaces the experiment's generators for this task."""
    sharers: Choices | None = None
    """Replaces the experiment's sharers for this task."""
    poison: Poison | None = None
    """Replaces the experiment's poison for this task."""
    population: dict[str, Any] = Field(default_factory=dict)
    """Keys of `population` that have other values for this task, such as fewer models where each is expensive."""
    training: dict[str, Any] = Field(default_factory=dict)
    """Keys of `training` that have other values for this task."""
    placebo: Placebos = "auto"
    """How often the task is run again with its group column permuted over the table, undefended, on its pairs of different worlds: what an
    adversary then reads comes from the table and its pools, not from the groups. `auto`: 3 for a table of your own, else 0."""
