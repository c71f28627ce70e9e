"""Access to all models that one owner released."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.store.answers import Answers
from popleak.threat.access.releases import PLUGIN


class Kept:
    """A source that holds answers of `models` models a world and split, in an order that means nothing."""

    def __init__(self, models: int, releases: int, classes: int = 2) -> None:
        self.releases = releases
        rng = np.random.default_rng(0)
        world, split, index = (one.ravel() for one in np.meshgrid([0, 1], [0, 1], np.arange(models), indexing="ij"))
        order = rng.permutation(len(world))
        scores = rng.random((len(world), 5) if classes == 2 else (len(world), 5, classes))
        finite = np.ones(len(world), dtype=bool)
        finite[(world == 1) & (split == 0) & (index == 2)] = False
        keys = {"world": world, "split": split, "model_index": index, "finite": finite}
        self.whole = Answers({name: values[order] for name, values in keys.items()}, scores[order])

    def answers(self, role, arm, repeats, votes):
        return self.whole


@pytest.mark.parametrize("classes", [2, 3])
def test_a_row_is_an_owner_with_its_models_in_order(classes):
    source = Kept(6, 3, classes)
    found = PLUGIN.read(source, "victim", "none", 1, False)
    assert len(found.scores) == 8 and set(found.keys["model_index"].tolist()) == {2, 5}
    at = np.array([3, 1])
    shown = PLUGIN.outputs(found, np.arange(8), at)
    whole = source.whole
    for row in range(8):
        world, split, last = (int(found.keys[name][row]) for name in ("world", "split", "model_index"))
        literal = []
        for index in range(last - 2, last + 1):
            there = (
                (whole.keys["world"] == world) & (whole.keys["split"] == split) & (whole.keys["model_index"] == index)
            )
            literal.append(whole.scores[np.flatnonzero(there)[0]][at])
        assert np.array_equal(shown[row], np.concatenate(literal))
        assert found.keys["finite"][row] == ((world, split, last) != (1, 0, 2)), "one of its releases diverged"


def test_owners_without_all_their_releases_are_refused():
    with pytest.raises(PopleakError, match="are not those of owners with 4 releases each"):
        PLUGIN.read(Kept(6, 4), "victim", "none", 1, False)


def test_who_sees_one_model_sees_the_last_of_each_owner():
    source = Kept(6, 3)
    found = plugins.load("access", "scores").seen(source, "victim", "none", 1, False)
    assert sorted(found.keys["model_index"].tolist()) == [2] * 4 + [5] * 4
    for row, keys in enumerate(zip(*(found.keys[name] for name in ("world", "split", "model_index")), strict=True)):
        there = np.logical_and.reduce(
            [
                source.whole.keys[name] == value
                for name, value in zip(("world", "split", "model_index"), keys, strict=True)
            ]
        )
        assert np.array_equal(found.scores[row], source.whole.scores[there][0])
    assert len(plugins.load("access", "scores").seen(Kept(6, 1), "victim", "none", 1, False).scores) == 24
    assert len(PLUGIN.seen(source, "victim", "none", 1, False).scores) == 8


def test_of_an_arm_that_was_not_audited_nothing_is_seen():
    source = Kept(6, 3)
    source.audits = lambda role, arm: Answers({}, np.empty((0, 1)))
    audit = plugins.load("access", "worst-case")
    found = audit.seen(source, "victim", "none", 1, False)
    assert len(found.scores) == 0 and not audit.offered(found)
