"""No defence: the model as it was trained."""

from __future__ import annotations

from ..core.settings import NoSettings
from .base import Defence, Owner, Population


class NoDefence(Defence):
    """Returns the population unchanged."""

    name = "none"
    summary = "the undefended model M_0"
    classes = None
    generators = True
    complement = False
    closed_form = True

    def apply(self, owner: Owner, settings: NoSettings) -> Population:
        return owner.population


PLUGIN = NoDefence()
