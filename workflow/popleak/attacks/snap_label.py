"""SNAP on hard labels: how many records like the poisoned ones are given the poisoned label."""

from __future__ import annotations

import numpy as np

from ..core.settings import Settings
from ._snap import Snap


class SnapLabel(Snap):
    """score as in `_snap.Snap`: direction * (median of the victim's values - threshold).

    Values: one, the share of the target points that are given the poisoned label.
    Source: Chaudhari et al., "SNAP: Efficient Extraction of Private Properties with Poisoning", IEEE S&P 2023.
    """

    name = "snap-label"
    summary = "share of target points given the poisoned label, between the medians of the shadows"
    access = "labels"

    def values(self, outputs: np.ndarray, poisoned: int, settings: Settings) -> np.ndarray:
        """Return the shares (..., 1) of the poisoned label."""
        return np.mean(outputs == poisoned, axis=-1, keepdims=True)


PLUGIN = SnapLabel()
