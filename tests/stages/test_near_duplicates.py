"""Near-duplicates of a model's rows: one column of each is a public row's, and they depend on nothing but the model."""

from __future__ import annotations

import numpy as np

import tiny
from popleak.core import plugins
from popleak.stages._owners import near_duplicates
from popleak.testing.defences import MODELS, Owners

# the second column takes three numbers, as one-hot columns do; the columns of one need not stand together
COLUMNS = np.array([0, 1, 2, 1, 1, 3])
OWN, DONORS = np.arange(40), np.arange(40, 100)


def table(seed=0, rows=100):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(COLUMNS))).astype(np.float32)
    x[:, COLUMNS == 1] = np.eye(3)[rng.integers(0, 3, rows)]
    x[:, 5] = 1.0  # equal in all rows: never a column in which two differ
    return x


def test_each_copy_differs_in_one_column_whose_value_is_a_public_rows():
    x = table()
    copies = near_duplicates(x, COLUMNS, 3, OWN, DONORS)
    changed = np.zeros((len(OWN), 4), dtype=bool)
    for number in range(4):
        mine = number == COLUMNS
        changed[:, number] = (copies[:, mine] != x[OWN][:, mine]).any(axis=1)
        public = {row.tobytes() for row in x[DONORS][:, mine]}
        assert all(row.tobytes() in public for row in copies[changed[:, number]][:, mine])
    assert (changed.sum(axis=1) == 1).all() and not changed[:, 3].any()
    assert changed[:, :3].sum(axis=0).min() >= 5, "every column has its turn"
    assert (copies[:, COLUMNS == 1].sum(axis=1) == 1).all(), "one-hot columns change together"


def test_a_copy_takes_its_value_from_one_donor_whose_other_values_may_be_equal():
    x = table()
    x[DONORS] = x[OWN[0]]
    x[DONORS, 2] = 9.0
    copies = near_duplicates(x, COLUMNS, 3, OWN[:1], DONORS)
    assert copies[0, 2] == 9.0 and (copies[0, [0, 1, 3, 4, 5]] == x[0, [0, 1, 3, 4, 5]]).all()


def test_an_equal_donor_changes_nothing():
    x = table()
    x[DONORS] = x[OWN[0]]
    assert (near_duplicates(x, COLUMNS, 3, OWN[:1], DONORS) == x[OWN[:1]]).all()


def test_fewer_donors_than_rows_are_used_again():
    x = table()
    copies = near_duplicates(x, COLUMNS, 3, OWN, DONORS[:7])
    assert ((copies != x[OWN]).any(axis=1)).sum() > 30


def test_copies_hang_on_the_models_seed():
    x = table()
    one, again, other = (near_duplicates(x, COLUMNS, seed, OWN, DONORS) for seed in (3, 3, 4))
    assert (one == again).all() and (one != other).any()


def owner(part=slice(None)):
    case = Owners(tiny.records(3000, shift=3.0))
    return case.owner(plugins.load("defences", "distillation"), part)


def test_an_owner_has_a_copy_of_each_row_beyond_all_records():
    whole, size = owner(), 3000
    before = whole.fitter.records
    found = whole.near()
    assert found.shape == whole.draw.shape and found.min() == size and len(set(found.ravel())) == found.size
    assert (whole.y[found] == before.y[whole.draw]).all() and (whole.a[found] == before.a[whole.draw]).all()
    for name in ("x", "y", "a"):
        assert (getattr(whole, name)[:size] == getattr(before, name)).all(), "records keep their numbers"
    assert (whole.fitter.records.unit[found] == before.unit[whole.draw]).all()
    assert ((whole.x[found] != before.x[whole.draw]).sum(axis=-1) == 1).mean() > 0.95
    assert len(before.y) == size, "what others share is left alone"


def test_an_owners_copies_are_the_same_in_any_company():
    def copies(part=slice(None)):
        mine = owner(part)
        found = mine.near()
        return mine.x[found]

    whole = copies()
    for k in range(MODELS):
        assert (copies(slice(k, k + 1))[0] == whole[k]).all()


def test_models_of_records_do_not_change_with_rows_that_come_after_them():
    plain, more = owner(), owner()
    near = more.near()
    assert np.array_equal(
        plain.predict(plain.population.weights, plain.draw), more.predict(more.population.weights, more.draw)
    )
    assert plain.train(plain.draw)[0].weights.tobytes() == more.train(more.draw)[0].weights.tobytes()
    assert plain.train(plain.draw)[0].weights.tobytes() != more.train(near)[0].weights.tobytes()
