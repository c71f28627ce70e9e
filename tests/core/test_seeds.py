"""Seeds: pinned, so that a result of today is a result of tomorrow."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.core.seeds import derive, generator


def test_pinned():
    # another value here means that every result of every experiment changes: raise seeds.VERSION and say so
    assert derive(1, "a", 2) == 8778315626150924862
    assert derive(20260601, "synthetic/label/group", "model", "victim", 0, "0.0#0", 3) == 455805594719189145
    assert generator(1, "a").integers(0, 2**32, 3).tolist() == [13686000, 1303444412, 4128978023]


def test_range():
    seeds = [derive(1, k) for k in range(2000)]
    assert len(set(seeds)) == 2000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62


@pytest.mark.parametrize(
    ("one", "other"),
    [((1,), ("1",)), ((1, 2), (12,)), (("a", "b"), ("ab",)), (("a", "b"), ("b", "a")), ((1, ""), (1,)), ((), ("",))],
)
def test_keys_are_kept_apart(one, other):
    assert derive(*one) != derive(*other)


def test_separator_in_a_name():
    """Else the name would give the seed of two names."""
    with pytest.raises(ValueError, match="separator"):
        derive("a\x1fstr:b")


@pytest.mark.parametrize("part", [0.5, True, None, (1,), b"a", np.float64(1)])
def test_other_types_are_refused(part):
    with pytest.raises(TypeError, match="str and int only"):
        derive(1, part)


def test_numpy_integers_are_refused_or_equal():
    with pytest.raises(TypeError):
        derive(np.int64(1))


def test_generator_is_fresh():
    assert generator(1, "x").random() == generator(1, "x").random()
    assert generator(1, "x").random() != generator(2, "x").random()
