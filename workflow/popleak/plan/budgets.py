"""With how much less than all shadows and query points an attack is run as well."""

from __future__ import annotations

from ..attacks.base import Attack
from ..config.experiment import Budgets
from ..core import plugins
from ..steps.attack import Budget

TABLES = ("scores",)
"""Tables of verdicts to which a budget applies: those of a question in two worlds."""


def of(given: Budgets, attack: Attack) -> tuple[Budget, ...]:
    """Return the budgets of the config that the attack can do with, and without which it would do otherwise. Reference lines have none."""
    every = [Budget(shadows=one) for one in given.shadows]
    every += [Budget(queries=one, ask=ask) for ask in given.ask for one in given.queries]
    return () if attack.reference else tuple(one for one in every if _affords(attack, one))


def _affords(attack: Attack, budget: Budget) -> bool:
    if budget.shadows is not None and not attack.shadows:
        return False
    if budget.queries is None:
        return True
    able = not attack.all_points and budget.queries >= attack.least_points and _asks(attack)
    return able and (budget.ask == "drawn" or attack.shadows)


def _asks(attack: Attack) -> bool:
    """Return whether the attack asks queries at all."""
    return bool(plugins.load("access", attack.access).reads == "answers")
