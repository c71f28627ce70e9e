"""What the job of the stage `advise` is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .base import Plain, StepSettings
from .tables.placebo import Copy


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is known of a task before it runs. attribute: name of the column; groups: names of groups 0 and 1; rows, query_rows: of each model, and query points of
    each group; splits, victims, shadows: as in the config's `population`; learning: ids of attacks that learn from shadows; records: id of the step that
    made its table; pairs: P(a = 1) in the pairs of worlds that are asked about; balanced: whether draws hold all labels equally often."""

    attribute: str
    groups: tuple[str, str]
    rows: int
    query_rows: int
    splits: int
    victims: int
    shadows: int
    learning: tuple[str, ...]
    records: str = ""
    pairs: tuple[tuple[float, float], ...] = ()
    balanced: bool = False


@dataclass(frozen=True, kw_only=True)
class AdviseStep(StepSettings):
    """experiment: the config as it is shown; margin: in advantage; defence: that the models are released with; references: by task, attacks that
    are lines to compare with; copies: placebos by their ids; tasks: by id; absent, cautions: a line for each thing left out, and to be careful with;
    untried: a sentence on each kind of what is installed and was not run; seed: the experiment's; does: what each defence
    does, by id, in an owner's words."""

    stage: ClassVar[str] = "advise"
    experiment: Plain
    margin: float
    defence: str
    references: Mapping[str, tuple[str, ...]]
    tasks: Mapping[str, Asked]
    copies: Mapping[str, Copy] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    seed: int = 0
    does: Mapping[str, str] = field(default_factory=dict)
