"""What a defence costs its models, where that is so much that it must be told beside what the defence achieves."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..figures import _select as select
from ..measures.verdicts import price
from . import findings

if TYPE_CHECKING:
    import pandas as pd

KEYS = [*select.FACET, *select.PAIR, "defence"]
VICTIM = ["split", "world", "model_index"]


def prices(models: pd.DataFrame) -> dict[tuple, list[str]]:
    """Return what `verdicts.price` says, by KEYS; games and defences of which it says nothing are left out."""
    constant, falls = findings.constant_shares(models), _falls(models)
    said = {key: price(share, falls.get(key, float("nan"))) for key, share in constant.items()}
    return {key: lines for key, lines in said.items() if lines}


def changes(models: pd.DataFrame, pairs: Collection[tuple[str, str | None]]) -> dict[tuple, float]:
    """Return by how much mean accuracy changes from one defence's models to another's, on the same victims, by FACET, PAIR and both defences.

    pairs: of a defence and what it is compared with.
    """
    victims = _victims(models)
    found: dict[tuple, float] = {}
    for defence, other in sorted({(one, two) for one, two in pairs if two}):
        mean = _against(select.of(victims, defence=defence), select.of(victims, defence=other))
        found |= {(*key, defence, other): value for key, value in mean.items()}
    return found


def _victims(models: pd.DataFrame) -> pd.DataFrame:
    return select.differ(select.plain(select.of(models, role="victim")))[[*KEYS, *VICTIM, "accuracy"]]


def _against(victims: pd.DataFrame, others: pd.DataFrame) -> dict[tuple, float]:
    """Return the mean of victims' accuracy minus that of the same ones in `others`, by FACET and PAIR."""
    keys = [*select.FACET, *select.PAIR]
    both = victims.merge(others, on=[*keys, *VICTIM], suffixes=("", "_other"), validate="1:1")
    return (both["accuracy"] - both["accuracy_other"]).groupby([both[name] for name in keys]).mean().to_dict()


def _falls(models: pd.DataFrame) -> dict[tuple, float]:
    """Return by how much mean accuracy falls against undefended models, on the same victims, by KEYS."""
    victims = _victims(models)
    raw = select.of(victims, defence="none")
    return {
        (*key, str(defence)): -change
        for defence, part in victims.groupby("defence")
        for key, change in _against(part, raw).items()
    }
