"""Draws of models that share candidates: halves, complements that are unlike all candidates, and points with the truth beside them."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.core.errors import PopleakError
from popleak.stages import _candidates, draw
from popleak.steps.draw import Drawn, MemberDraw, ModelDraw
from popleak.store import arrays
from popleak.store.records import Loaded

WORLD, OTHER = "0.3#0~half", "0.7#0"
ROWS, VICTIMS = 40, 12


def records(seed=0, rows=900, equal=0):
    """Return records; the last `equal` rows of features are those of the first."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    if equal:
        x[-equal:] = x[:equal]
    y, a = rng.integers(0, 2, rows).astype(np.int8), rng.integers(0, 2, rows).astype(np.int8)
    facts = {"groups": ("men", "women"), "classes": ("0", "1")}
    return Loaded(x, y, a, np.arange(rows), None, facts)


def splits(rows=900, seed=1, many=2):
    return {
        number: np.random.default_rng([seed, number]).permutation(np.arange(rows) * 4 // rows) for number in range(many)
    }


def settings(kind=ModelDraw, purpose="base", mode="natural", **more):
    common = {"seed": 5, "key": "t", "mode": mode, "purpose": purpose, "rows": ROWS, "victims": VICTIMS}
    if kind is MemberDraw:
        return MemberDraw(**common, pair="membership 0.3", world=WORLD, **more)
    other = WORLD if purpose == "base" else OTHER
    return ModelDraw(**common, shadows=3, draws=(Drawn(world=WORLD, from_world=other),), **more)


def drawn(purpose, mode, data, pools):
    given = settings(purpose=purpose, mode=mode)
    found = draw._training(given, given.draws[0], data, pools)
    return found, arrays.matrix(found["rows"])


def points(data, pools, mode="natural", **more):
    return list(_candidates.points(settings(MemberDraw, "members", mode, **more), data, pools))


def row(found, name):
    return arrays.matrix(found[name])[0]


def inside(found, n):
    return np.unpackbits(row(found, "inside").reshape(-1, -(-n // 8)), axis=1, count=n).astype(bool)


@pytest.mark.parametrize("mode", ["natural", "label-balanced"])
def test_the_truth_beside_the_points_is_what_models_were_drawn(mode):
    data, pools = records(), splits()
    found, rows = drawn("base", mode, data, pools)
    assert set(found["role"]) == {"victim"} and len(rows) == VICTIMS
    for split, one in enumerate(points(data, pools, mode)):
        candidates = row(one, "rows")[row(one, "origin") == _candidates.CANDIDATE]
        assert len(candidates) == 2 * ROWS == len(set(candidates))
        held = inside(one, len(candidates))
        mine = rows[np.asarray(found["split"]) == split]
        for model, its in zip(held, mine, strict=True):
            assert sorted(candidates[model]) == sorted(its)
            assert data.a[its].mean() == pytest.approx(0.3)
        assert (held.sum(0) == len(held) // 2).all()
        assert (pools[split][candidates] == 0).all()


def test_no_complement_and_no_public_row_is_like_a_candidate():
    """The membership of one of two equal rows is that of the other."""
    data, pools = records(equal=300), splits()
    twins = _candidates.same(data)
    _, rows = drawn("complement", "natural", data, pools)
    numbers = np.repeat(list(pools), VICTIMS // len(pools))
    for split, one in enumerate(points(data, pools)):
        origin, every = row(one, "origin"), row(one, "rows")
        candidates = every[origin == 0]
        assert len(set(twins[candidates])) == len(candidates), "no two candidates are equal"
        for others in (every[origin == 1], rows[numbers == split].ravel(), np.flatnonzero(pools[split] > 1)):
            assert not set(twins[others]) & set(twins[candidates])
        assert data.a[rows[numbers == split]].mean() == pytest.approx(0.7)


def test_nearest_public_rows_are_found_among_all_points():
    data, pools = records(), splits()
    (one, _) = points(data, pools, near=3)
    every, origin = row(one, "rows"), row(one, "origin")
    near = row(one, "near").reshape(2 * ROWS, 3)
    assert (origin[near] == _candidates.PUBLIC).all()
    distance = np.linalg.norm(data.x[every[: 2 * ROWS], None] - data.x[every[origin == 1]][None], axis=2)
    expected = np.sort(distance, axis=1)[:, :3]
    got = np.linalg.norm(data.x[every[: 2 * ROWS], None] - data.x[every[near]], axis=2)
    np.testing.assert_allclose(np.sort(got, axis=1), expected, rtol=1e-4)


def test_unseen_rows_are_of_the_query_pool_and_their_halves_mean_nothing():
    data, pools = records(), splits()
    _, rows = drawn("base", "natural", data, pools)
    numbers = np.repeat(list(pools), VICTIMS // len(pools))
    found = points(data, pools, unseen=True)
    assert len({len(row(one, "rows")) for one in found}) == 1, "as many in each split"
    for split, one in enumerate(found):
        unseen = row(one, "rows")[row(one, "origin") == 0]
        assert (pools[split][unseen] == 2).all() and not set(unseen) & set(rows[numbers == split].ravel())
        held = inside(one, len(unseen))
        assert (held.sum(0) == len(held) // 2).all() and (held[::2] == ~held[1::2]).all()


def test_models_do_not_depend_on_how_many_share_the_candidates():
    data, pools = records(), splits(many=1)
    many, few = (
        draw._training(given, given.draws[0], data, pools)
        for given in (settings(), ModelDraw(**{**vars(settings()), "victims": 4}))
    )
    assert (arrays.matrix(many["rows"])[:4] == arrays.matrix(few["rows"])).all()


def test_too_small_a_pool_is_refused_in_one_line():
    with pytest.raises(
        PopleakError, match=r"t, victim pool: \d+ candidates of group (wo)?men are asked for by protocol membership"
    ) as caught:
        drawn("base", "natural", records(rows=120), splits(rows=120))
    assert "\n" not in str(caught.value)
