"""The attack `sure-share`: the contract, and what it measures."""

from __future__ import annotations

import numpy as np
import pytest
from popleak_example.sure_share import PLUGIN, sure

from popleak.core import plugins
from popleak.testing import contracts


def test_contract():
    contracts.check_attack(PLUGIN)


def test_it_is_installed():
    assert plugins.load("attacks", "sure-share") is PLUGIN


def test_the_share_of_sure_answers():
    assert sure(np.array([[0.05, 0.5, 0.95, 0.3], [0.5, 0.5, 0.5, 0.5]]), 0.1).tolist() == [0.5, 0.0]


@pytest.mark.parametrize("surer", [0, 1])
def test_it_names_the_world_whose_shadows_are_as_sure(surer):
    rng = np.random.default_rng(0)
    unsure, certain = rng.uniform(0.3, 0.7, (20, 50)), rng.choice([0.01, 0.99], (20, 50))
    worlds = (unsure, certain) if surer else (certain, unsure)
    example = contracts.made_up(PLUGIN, kind="easy")
    judge = PLUGIN.calibrate(
        shadows_0=worlds[0], shadows_1=worlds[1], query=example.query, game=example.game, settings=PLUGIN.Settings()
    )
    assert judge.guess(judge.score(certain[0])) == surer
    assert judge.guess(judge.score(unsure[0])) == 1 - surer
