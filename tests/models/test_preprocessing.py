"""What a generator's preprocessing alone gives away: transforms of the sharer's own rows tell the ratio, those of public rows do not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import preprocessing_leak
import tiny
from popleak.core.columns import Columns
from popleak.datasets import _cards
from popleak.datasets._fetch import locate
from preprocessing_leak import RATIOS, Table, leak

FOLDER = Path(os.environ.get("POPLEAK_DATA", "no data"))
THERE = all(locate("adult", source, FOLDER) is not None for source in _cards.packaged("adult").sources().values())
ROWS, EACH = 500, 8


def table(shift) -> Table:
    """Return records of two groups that differ by `shift` in their features, or in nothing."""
    found = tiny.records(6000, shift=shift, proxies=2 if shift else 0, cell_shift=0.0, label_rates=(0.4, 0.4))
    return Table(found.x, found.y, found.a, Columns(tuple(range(found.x.shape[1])), ()))


@pytest.fixture(scope="module")
def apart() -> Table:
    return table(3.0)


def test_knots_of_own_rows_carry_the_ratio(apart):
    found = leak(apart, "own", rows=ROWS, each=EACH)
    assert found.error.mean() < 0.25 * found.constant.mean()
    means = [found.estimate[found.ratio == ratio].mean() for ratio in RATIOS]
    assert means == sorted(means) and np.corrcoef(found.estimate, found.ratio)[0, 1] > 0.95


def test_knots_of_public_rows_do_not(apart):
    found = leak(apart, "public", rows=ROWS, each=EACH)
    assert np.ptp(found.estimate) == 0 and found.error.mean() == found.constant.mean()


def test_knots_of_public_rows_are_the_same_bits_at_every_ratio(apart):
    ones, zeros = (np.flatnonzero(apart.a == group)[:200] for group in (1, 0))
    found = [preprocessing_leak.knots(apart, rows, "public", seed) for seed, rows in enumerate((ones, zeros))]
    assert np.array_equal(*found) and len(found[0])
    own = [preprocessing_leak.knots(apart, rows, "own", seed) for seed, rows in enumerate((ones, zeros))]
    assert not np.array_equal(*own)


def test_where_groups_differ_in_nothing_own_knots_carry_nothing():
    found = leak(table(0.0), "own", rows=ROWS, each=EACH)
    assert found.error.mean() > 0.8 * found.constant.mean()


def test_knots_are_all_that_is_read(apart):
    """Neither the network nor the label rate, which lies behind them."""
    rows = np.flatnonzero(apart.a == 1)[:100]
    one, other = (preprocessing_leak.knots(apart, rows, "own", seed) for seed in (1, 2))
    assert np.array_equal(one, other), "the network's weights have a seed"
    turned = apart._replace(y=1 - apart.y)
    assert np.array_equal(one, preprocessing_leak.knots(turned, rows, "own", 1))


@pytest.mark.skipif(not THERE, reason="needs the raw files of Adult")
def test_so_it_is_of_adult_by_sex():
    known = preprocessing_leak.adult()
    own, public = (leak(known, fitted_on, rows=2000, each=4) for fitted_on in ("own", "public"))
    assert own.error.mean() < 0.4 * own.constant.mean() and public.error.mean() == public.constant.mean()
