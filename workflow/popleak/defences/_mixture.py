"""The rows that a defence trains on: a mixture of S_0 and the complement, and samples of fixed composition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..core.errors import PopleakError

if TYPE_CHECKING:
    from ..core.needs import Stratum
    from ._owner import Owner


def mixture(owner: Owner, rehearsal: float, rows: float = 1.0) -> np.ndarray:
    """Return the rows (K, m) to fine-tune on: a share `rehearsal` from S_0, the rest from the complement; m is `rows` times those of S_0.

    The counts by group, where labels are balanced by label and group, are exact (`needs.Mixing.parts`), and within these rows are
    drawn without replacement: at one half the set of rows has one law whichever of the two worlds S_0 is from. The parts of a smaller
    share are nested in those of a larger one but for a row or two of rounding, so defences that differ in the share share rows.
    Rows that validation holds out of S_0 are never rehearsed. Raises PopleakError if S_0 has too few rows left for the share.
    """
    rehearsed, rest = owner.mixing.parts(rehearsal, rows)
    return np.concatenate(
        [
            subsample(owner, owner.complement, rest, "complement"),
            subsample(owner, owner.base, rehearsed, "rehearsal"),
        ],
        1,
    )


def subsample(owner: Owner, rows: np.ndarray, wanted: Mapping[Stratum, int], purpose: str) -> np.ndarray:
    """Return of each model's rows (K, n) as many of each stratum as `wanted` says, at random."""
    from ..core.seeds import generator

    label, group = owner.y[rows], owner.a[rows]
    keys = np.stack([generator(int(seed), purpose).random(rows.shape[1]) for seed in owner.seeds])
    stratum, sizes = np.zeros(rows.shape, dtype=np.int8), np.array(list(wanted.values()))
    for i, (y, a) in enumerate(wanted):
        stratum[(group == a) & (True if y is None else label == y)] = i
    there = np.stack([(stratum == i).sum(1) for i in range(len(sizes))], 1)
    if (there < sizes).any():
        k, i = np.argwhere(there < sizes)[0]
        y, a = list(wanted)[i]
        named = f"group {a}" + ("" if y is None else f" with label {y}")
        remedy = (
            "left after validation: lower `rehearsal` or training.validation"
            if purpose == "rehearsal"
            else "in all: raise the task's `rows`, or leave the defence out"
        )
        raise PopleakError(
            f"config: {purpose}: {sizes[i]} rows of {named} are asked for, and a model's draw has {there[k, i]} {remedy}"
        )
    # rank within (model, stratum) by the random key: the first of each
    order = np.lexsort((keys, stratum), axis=1)
    stratum = np.take_along_axis(stratum, order, 1)
    first = np.cumsum(there, 1) - there
    chosen = np.arange(rows.shape[1]) - np.take_along_axis(first, stratum, 1) < sizes[stratum]
    return np.take_along_axis(rows, order, 1)[chosen].reshape(len(rows), sizes.sum())
