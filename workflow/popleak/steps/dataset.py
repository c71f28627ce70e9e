"""What a job of the stage `dataset` is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from .base import Plain, StepSettings


@dataclass(frozen=True, kw_only=True)
class Placebo:
    """What decides a permutation of the group column, beside the records: the experiment's seed, the records' key, and which one."""

    seed: int
    key: str
    number: int


@dataclass(frozen=True, kw_only=True)
class DatasetStep(StepSettings):
    """files: the raw files' names, in the order of `--files`; content: the SHA-256, by name, of those whose digest the code does not
    know; seed: of a dataset that is generated; card: the digest of the data's card, so that a change of it makes all that was made of the data
    again."""

    stage: ClassVar[str] = "dataset"
    dataset: str
    label: str
    attribute: str
    options: Plain
    files: tuple[str, ...] = ()
    attribute_in_features: bool = False
    seed: int | None = None
    content: Mapping[str, str] = field(default_factory=dict)
    card: str = ""
    placebo: Placebo | None = None
