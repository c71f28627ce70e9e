"""No defence: the model as it was trained."""

from __future__ import annotations

from .base import Defence, Population


class NoDefence(Defence):
    """Returns the population unchanged."""

    name = "none"
    summary = "the undefended model M_0"
    classes = None
    complement = False
    closed_form = True

    def apply(self, *, population: Population, data, train, seeds, settings) -> Population:
        return population


PLUGIN = NoDefence()
