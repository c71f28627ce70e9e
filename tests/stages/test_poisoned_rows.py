"""The sharer's rows: nested, each once, chosen as trying every choice would, within what I(X; Y) allows or said not to be."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from popleak.core.errors import PopleakError
from popleak.measures import information
from popleak.stages import _poisoned_rows as poisoned
from popleak.stages._poisoned_rows import chosen, flipped

SHARES = (0.0, 0.1, 0.25, 0.5, 0.7)


def people(n=6000, *, seed=0, signal=1.0, proxy=0.0, tilt=0.1, shares=(0.5, 0.5)):
    """Features, labels and groups; the label's rate is shares[0] -+ tilt; the first feature tells the label, the second the group."""
    random = np.random.default_rng(seed)
    a = (random.random(n) < shares[1]).astype(np.int8)
    y = (random.random(n) < shares[0] + tilt * (2 * a - 1)).astype(np.int8)
    x = random.standard_normal((n, 5)).astype(np.float32)
    x[:, 0] += signal * (2 * y - 1)
    x[:, 1] += proxy * (2 * a - 1)
    return x, y, a


def attack(data, *, n=800, first=None, pool=None, **options):
    records = len(data[1])
    clean = np.arange(n) if first is None else first
    return chosen(*data, clean=clean, pool=np.arange(n, records) if pool is None else pool, seed=3, **options)


def test_rows_of_a_smaller_share_are_among_those_of_a_larger_one_and_none_is_there_twice():
    data = people(proxy=1.0)
    found = [attack(data, share=share) for share in SHARES]
    assert found[-1].steps_back > 0, "exchanged rows are nested too"
    before = np.zeros(800, dtype=bool)
    for share, one in zip(SHARES, found):
        there = one.rows >= 800
        assert there.sum() == round(share * 800) and one.share == pytest.approx(share)
        assert len(np.unique(one.rows)) == 800
        assert np.array_equal(one.rows[~there], np.flatnonzero(~there)), "the others stay where they are"
        assert (there >= before).all()
        before = there
    for small, large in itertools.pairwise(found):
        mine = small.rows >= 800
        assert np.array_equal(small.rows[mine], large.rows[mine])
    assert np.array_equal(found[0].rows, np.arange(800))
    assert found[0].information_xy == found[0].clean_xy


def test_a_share_that_is_no_whole_number_of_batches_is_nested_too():
    data = people(proxy=1.0)
    small, large = (attack(data, share=share, every=70) for share in (0.33, 0.34))
    mine = small.rows >= 800
    assert np.array_equal(small.rows[mine], large.rows[mine])
    assert ((large.rows >= 800).sum(), mine.sum()) == (272, 264)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_dependence_grows_in_its_own_sign(sign):
    data = people(tilt=0.1 * sign)
    _, y, a = data
    found = [attack(data, share=share) for share in SHARES]
    said = [one.information_sy for one in found]
    assert np.diff(said).min() > 0
    for one in found:
        rows = one.rows
        assert one.information_sy == pytest.approx(information.between(a[rows], y[rows]))
        assert sign * (y[rows][a[rows] == 1].mean() - y[rows][a[rows] == 0].mean()) > 0
        slipped = rows[rows >= 800]
        assert (y[slipped] == (a[slipped] if sign > 0 else 1 - a[slipped])).all()


def test_features_say_no_more_and_no_less_or_it_is_told():
    data = people(proxy=1.5, signal=0.5)
    free = attack(data, share=0.5, tolerance=100.0)
    held = attack(data, share=0.5)
    assert free.steps_back == 0 < held.steps_back
    assert abs(free.information_xy / free.clean_xy - 1) > 0.2 and not free.inside(0.1)
    assert held.inside(0.1)
    assert held.information_sy == free.information_sy, "exchanging within cells costs the attack nothing"
    x, y, _ = data
    assert held.information_xy == information.mutual(x[held.rows], y[held.rows], seed=3)
    assert held.clean_xy == free.clean_xy == information.mutual(x[:800], y[:800], seed=3)
    # of features that tell group and label, and a pool that is hardly more than what is asked for
    _, y, a = few = people(proxy=3.0, signal=0.3)
    rows = np.arange(800, 6000)
    told = attack(few, share=0.7, pool=rows[y[rows] == a[rows]][:600])
    assert told.steps_back and not told.inside(0.1)
    assert len(np.unique(told.rows)) == 800, "a row of the batch is not exchanged for another of the batch"


def test_information_that_falls_is_raised():
    """Rows of the pool of which the features tell nothing: those that tell are exchanged for them."""
    x, y, a = people()
    x = x.copy()
    x[800:5400, 0] = np.random.default_rng(1).standard_normal(4600)
    held, free = (attack((x, y, a), share=0.3, tolerance=by) for by in (0.1, 100.0))
    assert free.information_xy < 0.8 * free.clean_xy
    assert held.inside(0.1) and held.steps_back


def test_cells_are_those_that_trying_every_row_would_give():
    """Step by step with every row of a tiny pool tried."""
    random = np.random.default_rng(5)
    for trial in range(20):
        a, y = random.integers(0, 2, (2, 60))
        x = random.standard_normal((60, 2))
        clean, pool = np.arange(20), np.arange(20, 60)
        found = chosen(x, y, a, clean=clean, pool=pool, share=0.3, seed=trial, tolerance=1e9)
        places = poisoned._places(20, trial)[:6]

        def sign(rows, a=a, y=y):
            return 1 if np.cov(a[rows], y[rows])[0, 1] >= 0 else -1

        rows, left = list(clean), set(pool)
        for place in places:
            rest = [row for i, row in enumerate(rows) if i != place]
            values = {row: sign([*rest, row]) * information.between(a[[*rest, row]], y[[*rest, row]]) for row in left}
            best = sign(clean) * np.array(list(values.values()))
            took = found.rows[place]
            assert sign(clean) * values[took] == pytest.approx(best.max(), abs=1e-12)
            rows[place] = took
            left.remove(took)
        assert rows == found.rows.tolist()


def test_an_exhausted_cell_gives_way_to_the_next():
    data = people()
    _, y, a = data
    rows = np.arange(800, 6000)
    pool = np.concatenate([rows[(a[rows] == 1) & (y[rows] == 1)][:5], rows[(a[rows] == 0) & (y[rows] == 0)]])
    found = attack(data, share=0.3, pool=pool)
    slipped = found.rows[found.rows >= 800]
    assert len(slipped) == 240
    assert ((a[slipped] == 1) & (y[slipped] == 1)).sum() == 5
    assert (a[slipped] == y[slipped]).all()


def test_a_share_that_the_cells_do_not_hold_is_refused_by_name():
    data = people()
    _, y, a = data
    rows = np.arange(800, 6000)
    pool = np.concatenate([rows[a[rows] == y[rows]][:130], rows[a[rows] != y[rows]]])
    assert (attack(data, share=130 / 800, pool=pool).rows >= 800).sum() == 130
    with pytest.raises(
        PopleakError, match=r"share 0\.3 of 800 rows .* share of 0\.16 at most: lower the shares"
    ) as said:
        attack(data, share=0.3, pool=pool)
    assert "\n" not in str(said.value)


def test_rows_of_both_sets_are_not_chosen_and_order_does_not_matter():
    data = people(2000)
    first = np.arange(0, 800)
    whole = attack(data, share=0.3, first=first, pool=np.arange(2000))
    apart = attack(data, share=0.3, first=first, pool=np.arange(1999, 799, -1))
    assert np.array_equal(whole.rows, apart.rows)
    assert len(np.unique(whole.rows)) == 800


def test_the_seed_chooses():
    data = people()
    once, again = (chosen(*data, clean=np.arange(800), pool=np.arange(800, 6000), share=0.2, seed=3) for _ in range(2))
    other = chosen(*data, clean=np.arange(800), pool=np.arange(800, 6000), share=0.2, seed=4)
    assert np.array_equal(once.rows, again.rows) and not np.array_equal(once.rows, other.rows)


# ---- label flipping


@pytest.mark.parametrize("sign", [1, -1])
def test_flipped_labels_are_of_one_group_at_the_places_of_the_attack(sign):
    data = people(tilt=0.1 * sign, shares=(0.5, 0.3))
    x, y, a = data
    clean = np.arange(800)
    found = [flipped(*data, clean=clean, share=share, seed=3) for share in SHARES]
    assert np.array_equal(found[0].rows, clean)
    assert np.diff([one.information_sy for one in found]).min() > 0
    for share, one in zip(SHARES, found):
        twin = one.rows >= len(y)
        assert np.array_equal(one.rows % len(y), clean)
        replaced = attack(data, share=share).rows != clean
        assert not (twin & ~replaced).any()
        if not share:
            continue
        assert len(set(a[clean[twin]])) == len(set(y[clean[twin]])) == 1
        group = a[clean[twin]][0]
        labels = np.where(twin, 1 - y[clean], y[clean])
        assert len(set(labels[replaced & (a[clean] == group)])) == 1, "all that are touched get one label"
        assert one.information_sy == pytest.approx(information.between(a[clean], labels))
        assert one.information_xy == information.mutual(x[clean], labels, seed=3)


def test_the_group_is_the_one_by_which_the_dependence_rises_more():
    """Of a group of 80 %, and one of 20 %: setting all labels of the larger one says more."""
    data = people(shares=(0.5, 0.2))
    found = flipped(*data, clean=np.arange(800), share=0.5, seed=3)
    assert set(data[2][found.rows[found.rows >= 6000] - 6000]) == {0}


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_beyond_1_is_refused(share):
    data = people(2000)
    with pytest.raises(ValueError, match="share must lie in 0 to 1"):
        attack(data, share=share)
    with pytest.raises(ValueError, match="share must lie in 0 to 1"):
        flipped(*data, clean=np.arange(800), share=share, seed=0)


@pytest.mark.parametrize("ones", [0, 1])
def test_a_label_with_fewer_than_two_rows_leaves_nothing_to_keep(ones):
    x, y, a = people()
    y = y.copy()
    y[:800] = 0
    y[:ones] = 1
    with pytest.raises(PopleakError, match=f"{ones} of a sharer's 800 rows has label 1, and I"):
        attack((x, y, a), share=0.3)
    found = flipped(x, y, a, clean=np.arange(800), share=0.0, seed=3)
    assert (found.rows == np.arange(800)).all() and np.isnan(found.clean_xy) and not found.inside(0.1)
