"""Populations of models as jobs are told of them: an arm is a defence at some settings, or none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from .base import Plain


@dataclass(frozen=True, kw_only=True)
class Answering:
    """A defence that changes what models say, and its settings. randomised: it answers with fresh randomness each time."""

    defence: str
    settings: Plain
    randomised: bool = False


@dataclass(frozen=True, kw_only=True)
class Held:
    """The name of an arm, and how many of a role's files hold its models."""

    arm: str
    files: int


@dataclass(frozen=True, kw_only=True)
class Arm(Held):
    """An arm whose models are asked; base: they are not defended."""

    base: bool
    answers: Answering | None = None


H = TypeVar("H", bound=Held)
F = TypeVar("F")


def with_files(arms: Sequence[H], files: Sequence[F]) -> Iterator[tuple[H, Sequence[F]]]:
    """Yield the arms of one role, each with its share of the role's files. The files are ordered arm by arm; an arm
    has `files` of them."""
    start = 0
    for arm in arms:
        yield arm, files[start : start + arm.files]
        start += arm.files
