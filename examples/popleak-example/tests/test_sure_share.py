"""The attack `sure-share`: the contract, and what it measures."""

from __future__ import annotations

import numpy as np
import pytest
from popleak_example.sure_share import PLUGIN, surer

from popleak.core import plugins
from popleak.testing import contracts


def test_contract():
    contracts.check_attack(PLUGIN)


def test_it_is_installed():
    assert plugins.load("attacks", "sure-share") is PLUGIN


def test_how_much_surer_of_world_1():
    scores, origin = np.array([[0.05, 0.5, 0.95, 0.99], [0.5, 0.5, 0.5, 0.5]]), np.array([0, 0, 1, 1])
    assert surer(scores, origin, 0.1).tolist() == [0.5, 0.0]


@pytest.mark.parametrize("flipped", [False, True])
def test_it_names_the_world_whose_shadows_are_as_sure(flipped):
    query = contracts.made_up(PLUGIN, kind="easy").query
    of_one = np.where(query.origin == 1, 0.99, 0.5)[None].repeat(5, axis=0)
    of_zero = np.where(query.origin == 0, 0.99, 0.5)[None].repeat(5, axis=0)
    worlds = (of_one, of_zero) if flipped else (of_zero, of_one)
    game = contracts.made_up(PLUGIN, kind="easy").game
    judge = PLUGIN.calibrate(
        shadows_0=worlds[0], shadows_1=worlds[1], query=query, game=game, settings=PLUGIN.Settings()
    )
    assert judge.guess(judge.score(of_one[0])) == 1 - flipped
    assert judge.guess(judge.score(of_zero[0])) == flipped
