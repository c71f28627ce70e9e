"""Populations of models as jobs are told of them: an arm is a defence at some settings, or none."""

from __future__ import annotations

from dataclasses import dataclass

from .base import Plain


@dataclass(frozen=True, kw_only=True)
class AtRandom:
    """A defence that answers at random, and its settings."""

    defence: str
    settings: Plain


@dataclass(frozen=True, kw_only=True)
class Arm:
    """The name of an arm, and how many of a role's files hold its models; base: they are not defended."""

    arm: str
    files: int
    base: bool
    answers: AtRandom | None = None
