"""What a defence costs its models, where that is so much that it must be told beside what the defence achieves."""

from __future__ import annotations

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


def _falls(models: pd.DataFrame) -> dict[tuple, float]:
    """Return by how much mean accuracy falls against undefended models, on the same victims, by KEYS."""
    victims = select.differ(select.plain(select.of(models, role="victim")))[[*KEYS, *VICTIM, "accuracy"]]
    game = [*select.FACET, *select.PAIR, *VICTIM]
    raw = select.of(victims, defence="none").drop(columns="defence")
    both = victims.merge(raw, on=game, suffixes=("", "_none"), validate="m:1")
    return (both["accuracy_none"] - both["accuracy"]).groupby([both[name] for name in KEYS]).mean().to_dict()
