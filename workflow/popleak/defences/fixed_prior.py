"""A fixed share of groups among the rows that a generator releases."""

from __future__ import annotations

from pydantic import Field

from ..core.settings import Settings as AnySettings
from .base import Defence, Owner, Population


class FixedPrior(Defence):
    """The sharer draws more rows of the generator than it releases, and releases those of each group up to a share that it fixes. The generator stays
    what it is; rows of one group say nothing of how many there were (as `resample` does, after training in place of before)."""

    name = "fixed-prior"
    summary = "of a generator's rows each group is released up to a fixed share"
    access = "post-hoc"
    needs_weights = False
    classes = None
    complement = False
    generators = True
    classifiers = False
    seconds = 0.0

    class Settings(AnySettings):
        share: float = Field(default=0.5, ge=0, le=1)
        """P(a = 1) among the released rows."""

    def group_share(self, settings: FixedPrior.Settings) -> float:
        return settings.share

    def apply(self, owner: Owner, settings: FixedPrior.Settings) -> Population:
        return owner.population


PLUGIN = FixedPrior()
