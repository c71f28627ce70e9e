"""Which numbers of a model training moves, and the gradient of its cross-entropy: by torch, for any module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..core import accounting
from .architecture import Build, Chain, ConvNet, Dense, numbers_of

if TYPE_CHECKING:
    from .fit import Device, Table


def trained(build: Build) -> np.ndarray:
    """Return for each of a model's stored numbers (P,) whether training moves it. The rest are frozen parameters and buffers."""
    if isinstance(build, (Chain, Dense, ConvNet)):
        return np.ones(sum(numbers_of(build)), bool)
    from .single import built, trained_and_state

    moved, state = (sum(one.numel() for one in part) for part in trained_and_state(built(build)))
    return np.arange(moved + state) < moved


@accounting.part("training")
def gradient(build: Build, table: Table, weights: np.ndarray, rows: np.ndarray, device: Device = "cpu") -> np.ndarray:
    """Return the gradient (K, P) of the mean cross-entropy of models `weights` (K, P), each on its own rows (K, m) of `table`.

    Modules are in their scoring mode: nothing is dropped, and batch norm takes its running means. What training does not move has the
    gradient 0; a model that diverged has NaN. Raises ValueError if shapes disagree or there is no row.
    """
    from .fit import resolve
    from .stacked import Stacked

    if len(rows) != len(weights) or not rows.shape[1]:
        raise ValueError(f"rows of shape {rows.shape}: some are needed for each of {len(weights)} models")
    return Stacked(build, resolve(device)).gradient(table, weights, rows)
