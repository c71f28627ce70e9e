"""Halves: which candidates each of M models is trained on, so that every candidate is in exactly half of the models.

Models come in pairs, 2j and 2j + 1: one holds a random half of the candidates, its twin the others. Pairs are independent. So whoever leaves
out a victim and its twin is left with as many models that hold a candidate as that do not, whatever the victim holds: counts say nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

TARGETS = 50
"""Candidates that a poisoner aims at, and whose rows are told apart from all where it does not."""
COPIES = 8
"""Copies of each target, its label flipped, that a poisoner puts into every model's training rows (Tramer et al., "Truth serum", CCS 2022)."""

FOLDS = 8
"""Folds of pairs that thresholds are taken across, at most."""


def twin(model: int) -> int:
    """Return the number of the model that holds the other half."""
    return model ^ 1


def halves(cells: np.ndarray, blocks: np.ndarray, models: int, rng: Callable[[int], np.random.Generator]) -> np.ndarray:
    """Return which candidates each model holds, (models, n) bool.

    Parameters
    ----------
    cells
        (n,) integers from 0: of each cell a model holds half, rounded up or down at random where that is odd.
    blocks
        (n,) integers from 0: of each block, a union of cells with an even number of candidates, a model holds exactly half.
    models
        Their number, even.
    rng
        The generator of each pair of models, by its number.

    Raises ValueError for an odd number of models, and for a block with an odd number of candidates.
    """
    if models % 2:
        raise ValueError("models come in pairs: give an even number")
    if (np.bincount(blocks, minlength=1) % 2).any():
        raise ValueError("a block has an odd number of candidates")
    inside = np.empty((models, len(cells)), dtype=bool)
    block_of_cell = np.zeros(int(cells.max(initial=-1)) + 1, dtype=np.int64)
    block_of_cell[cells] = blocks
    for pair in range(models // 2):
        inside[2 * pair] = _half(cells, block_of_cell, rng(pair))
        inside[2 * pair + 1] = ~inside[2 * pair]
    return inside


def _half(cells: np.ndarray, block_of_cell: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random half (n,) bool, stratified by cell and exact by block."""
    sizes = np.bincount(cells, minlength=len(block_of_cell))
    # of the odd cells of a block, an even number, every second one in random order is rounded up
    order = rng.permutation(len(sizes))
    odd = order[sizes[order] % 2 == 1]
    odd = odd[np.argsort(block_of_cell[odd], kind="stable")]
    take = sizes // 2
    take[odd[::2]] += 1
    shuffled = rng.permutation(len(cells))
    shuffled = shuffled[np.argsort(cells[shuffled], kind="stable")]
    place = np.arange(len(cells)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    inside = np.zeros(len(cells), dtype=bool)
    inside[shuffled] = place < take[cells[shuffled]]
    return inside
