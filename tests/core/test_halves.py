"""Every candidate is in exactly half of the models, by label and group, and twins hold complementary halves."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.core.halves import halves, twin


def drawn(sizes, blocks, models=6, seed=0):
    cells = np.repeat(np.arange(len(sizes)), sizes)
    cells = np.random.default_rng(9).permutation(cells)
    inside = halves(cells, np.asarray(blocks)[cells], models, lambda pair: np.random.default_rng([seed, pair]))
    return cells, inside


@pytest.mark.parametrize(("sizes", "blocks"), [
    ((4, 6, 8, 2), (0, 0, 1, 1)), ((3, 5, 7, 9), (0, 0, 1, 1)), ((1, 1, 5, 3, 2, 4), (0, 1, 0, 1, 0, 1)), ((0, 2), (0, 0)),
    ((1, 1, 1, 1), (0, 0, 0, 0)),
])  # fmt: skip
def test_halves_are_exact_by_block_and_to_one_by_cell(sizes, blocks):
    cells, inside = drawn(sizes, blocks)
    assert (inside.sum(0) == len(inside) // 2).all(), "every candidate is in exactly half of the models"
    for model, row in enumerate(inside):
        assert (row == ~inside[twin(model)]).all() and twin(twin(model)) == model
        held = np.bincount(cells[row], minlength=len(sizes))
        assert (np.abs(held - np.array(sizes) / 2) <= 0.5).all()
        for block in set(blocks):
            mine = np.array(blocks) == block
            assert held[mine].sum() * 2 == np.array(sizes)[mine].sum()


def test_pairs_differ_and_are_fair():
    _, inside = drawn((51, 49), (0, 0), models=2000)
    first = inside[::2]
    assert not (first[0] == first[1]).all()
    assert np.abs(first.mean(0) - 0.5).max() < 0.08, "no candidate is favoured"
    together = (first[:, 0] & first[:, 1]).mean()
    assert abs(together - 0.25) < 0.04


def test_a_pair_does_not_depend_on_how_many_there_are():
    assert (drawn((8, 8), (0, 1), models=4)[1] == drawn((8, 8), (0, 1), models=8)[1][:4]).all()


def test_what_has_no_halves_is_refused():
    with pytest.raises(ValueError, match="pairs"):
        drawn((4,), (0,), models=3)
    with pytest.raises(ValueError, match="odd"):
        drawn((3,), (0,))
