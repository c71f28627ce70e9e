"""Training on the mixture from the start: what re-sampling before training gives."""

from __future__ import annotations

from pydantic import Field

from ..core.settings import Settings as AnySettings
from .base import Defence, Owner, Population, mixture


class Scratch(Defence):
    """A new model, from the same initial weights as M_0, trained on complement and rehearsal rows."""

    name = "scratch"
    summary = "train on complement and rehearsal rows from the start"
    classes = None
    closed_form = True

    class Settings(AnySettings):
        rehearsal: float = Field(default=0.5, ge=0, le=1)
        """Share of the rows that come from the model's own draw S_0."""

    def certificate(self, settings: Scratch.Settings) -> float | None:
        return 0.0 if settings.rehearsal == 0.5 else None  # docs/method.md, "Why scratch is at chance"

    def apply(self, owner: Owner, settings: Scratch.Settings) -> Population:
        return owner.train(mixture(owner, settings.rehearsal))[0]


PLUGIN = Scratch()
