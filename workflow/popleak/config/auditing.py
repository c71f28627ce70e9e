"""The keys of a config about the page for whoever decides on a release."""

from __future__ import annotations

from pydantic import Field

from ..core.settings import Settings
from ..measures.verdicts import ADVANTAGE


class Audit(Settings):
    """Makes `audit.html` and `audit.json`: for each question and access a light, and what it rests on. `audit: {}` makes them with these defaults."""

    margin: float = Field(default=ADVANTAGE, gt=0, lt=1)
    """Largest advantage of an adversary (TPR - FPR) that counts as no leak: with 0.1 it is right in 55 of 100 cases, where guessing is in 50. A light is
    green only if the whole 95 % interval lies within it. State it before the run."""
    defence: str = Field(default="none", min_length=1)
    """Id of the defence that the model is to be released with. Its adversaries know of it (knowledge informed)."""
