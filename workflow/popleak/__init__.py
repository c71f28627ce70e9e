"""popleak: what a released model gives away about its training population.

The names below are the Python door (docs/python.md). Each is imported when it is first asked for, so that `import popleak` alone loads nothing.
"""

# ruff: noqa: F401 (what is imported below is for type checkers; a test holds it to PLACES)
from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__released__ = "2026-11-21"
"""When this version was released, as in CITATION.cff."""

PLACES = {
    # judging models
    "judge": ("audit.judge", "judge"),
    "Judgement": ("audit.judgement", "Judgement"),
    # attacks and games
    "attack": ("audit.adversary", "attack"),
    "list_attacks": ("audit.adversary", "list_attacks"),
    "Adversary": ("audit.adversary", "Adversary"),
    "Game": ("attacks.base", "Game"),
    "Query": ("attacks.base", "Query"),
    "Poison": ("attacks.base", "Poison"),
    # what an adversary's guesses amount to
    "correctness": ("measures.leakage", "correctness"),
    "accuracy": ("measures.leakage", "accuracy"),
    "advantage": ("measures.leakage", "advantage"),
    "auc": ("measures.roc", "auc"),
    "tpr_at_fpr": ("measures.roc", "tpr_interval"),
    "summarise": ("measures.leakage", "summarise"),
    "cross_fitted_best": ("measures.leakage", "cross_fitted_best"),
    "n_leaked": ("measures.leakage", "n_leaked"),
    "best_accuracy": ("measures.leakage", "best_accuracy"),
    # intervals and tests, clustered by pool split
    "Estimate": ("measures.intervals", "Estimate"),
    "proportion_interval": ("measures.intervals", "proportion"),
    "mean_interval": ("measures.intervals", "mean"),
    "paired_test": ("measures.intervals", "paired_test"),
    "equivalence": ("measures.intervals", "equivalence"),
    "holm": ("measures.intervals", "holm"),
    "detectable_advantage": ("measures.power", "detectable_advantage"),
    # utility and fairness of models
    "fairness_rates": ("measures.fairness", "rates"),
    "delta_eo_floor": ("measures.fairness", "delta_eo_floor"),
    "model_auc": ("measures.fairness", "auc"),
    # bounds on what one answer tells
    "world_cells": ("measures.bounds", "world_cells"),
    "bound_terms": ("measures.bounds", "terms"),
    "bound_bootstrap": ("measures.bounds", "bootstrap"),
    "queries_to_detect": ("measures.bounds", "queries_to_detect"),
    # the one exception that is meant to be read
    "PopleakError": ("core.errors", "PopleakError"),
}
"""Where each public name is: module below this package, and its name there."""

__all__ = ["__version__", *PLACES]

if TYPE_CHECKING:
    from .attacks.base import Game as Game
    from .attacks.base import Poison as Poison
    from .attacks.base import Query as Query
    from .audit.adversary import Adversary as Adversary
    from .audit.adversary import attack as attack
    from .audit.adversary import list_attacks as list_attacks
    from .audit.judge import judge as judge
    from .audit.judgement import Judgement as Judgement
    from .core.errors import PopleakError as PopleakError
    from .measures.bounds import bootstrap as bound_bootstrap
    from .measures.bounds import queries_to_detect as queries_to_detect
    from .measures.bounds import terms as bound_terms
    from .measures.bounds import world_cells as world_cells
    from .measures.fairness import auc as model_auc
    from .measures.fairness import delta_eo_floor as delta_eo_floor
    from .measures.fairness import rates as fairness_rates
    from .measures.intervals import Estimate as Estimate
    from .measures.intervals import equivalence as equivalence
    from .measures.intervals import holm as holm
    from .measures.intervals import mean as mean_interval
    from .measures.intervals import paired_test as paired_test
    from .measures.intervals import proportion as proportion_interval
    from .measures.leakage import accuracy as accuracy
    from .measures.leakage import advantage as advantage
    from .measures.leakage import best_accuracy as best_accuracy
    from .measures.leakage import correctness as correctness
    from .measures.leakage import cross_fitted_best as cross_fitted_best
    from .measures.leakage import n_leaked as n_leaked
    from .measures.leakage import summarise as summarise
    from .measures.power import detectable_advantage as detectable_advantage
    from .measures.roc import auc as auc
    from .measures.roc import tpr_interval as tpr_at_fpr


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = PLACES[name]
    found = getattr(import_module(f"{__name__}.{module}"), attribute)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
