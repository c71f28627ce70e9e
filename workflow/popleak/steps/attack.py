"""What a job of the stage `attack` is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from ..core.protocols import Ask, RatioMode, Role
from .arms import Held
from .base import Plain, StepSettings
from .games import Pair, Played, Poison


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What an adversary who sees weights needs: the model's settings, and the files of models by role."""

    model_settings: Plain
    files: Mapping[Role, tuple[Held, ...]]


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What an adversary may use: shadows a world, and query points; None: all. ask: how these points are found."""

    shadows: int | None = None
    queries: int | None = None
    ask: Ask = "drawn"


@dataclass(frozen=True, kw_only=True)
class Judging(StepSettings):
    """Whom an attack judges, by their names in the public tables, and what it knows of their defences.

    aware: by the id of a defence, the name of the same at its default settings; randomised: the defences that answer at random; beside: by
    the id of a defence, that of another whose models a question compares it with (`questions.base.Question.conclude`).
    """

    stage: ClassVar[str] = "attack"
    task: str
    model_id: str
    shadow_model: str
    attack_id: str
    defences: tuple[str, ...]
    knowledge: tuple[str, ...]
    aware: Mapping[str, str]
    randomised: tuple[str, ...]
    repeats: tuple[int, ...]
    beside: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AttackStep(Judging):
    """One attack on the models of one task, in games of one question.

    arms: by the id of a defence, or another name in `aware`, the name under which its models were asked; worlds: of the games,
    where weights or rows are seen; asked: of each role the arms whose answers there are, in the order of the files; releases: models of one owner; budgets: with less than all shadows and query points, for the table `budgets`; labels: P(y) of
    samples, as the step that drew them has it.
    """

    question: str
    model: str
    attack: str
    attack_settings: Plain
    seed: int
    key: str
    mode: RatioMode
    rows: int
    pairs: tuple[Pair, ...]
    arms: Mapping[str, str]
    asked: Mapping[Role, tuple[str, ...]]
    poison: Poison
    worlds: tuple[Played, ...] = ()
    weights: Weights | None = None
    budgets: tuple[Budget, ...] = ()
    releases: int = 1
    labels: Literal["own", "even"] = "own"
