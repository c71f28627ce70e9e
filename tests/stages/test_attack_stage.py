"""The stage `attack`: what the adversary sees of the answers, and which shadows judge whom."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.attacks.base import Attack, Game, Judge
from popleak.stages import attack as stage
from popleak.store.answers import Answers, Points

GAME = Game(ratio_0=0.0, ratio_1=1.0, rows=100, mode="natural", model="logistic")
SPLITS, WORLDS, MODELS, ASKED = 2, 2, 3, 8


def answers(seed, level=0.5) -> Answers:
    keys = np.array([(s, w, i) for s in range(SPLITS) for w in range(WORLDS) for i in range(MODELS)])
    scores = np.random.default_rng(seed).uniform(level - 0.3, level + 0.3, (len(keys), ASKED)).astype(np.float32)
    split, world, index = keys.T
    return Answers({"split": split, "world": world, "model_index": index, "finite": np.ones(len(keys), bool)}, scores)


def points(origin=(0, 1) * 4) -> Points:
    origin = np.array(origin, np.int8)
    return Points(np.arange(ASKED), np.ones(ASKED, np.int8), origin, origin, None, None)


class Near(Judge):
    """Counts what it was made from."""

    def __init__(self, shadows_0, shadows_1):
        self.means = shadows_0.mean(), shadows_1.mean()

    def score(self, outputs):
        return float(abs(outputs.mean() - self.means[0]) - abs(outputs.mean() - self.means[1]))


class Counting(Attack):
    name, summary, access = "counting", "keeps the shadows of each calibration", "scores"

    def __init__(self):
        self.seen = []

    def calibrate(self, *, shadows_0, shadows_1, query, game, settings):
        self.seen.append((shadows_0, shadows_1))
        return Near(shadows_0, shadows_1) if len(shadows_0) else Near(np.zeros(1), np.ones(1))


# What is seen.


def test_outputs_against_the_literal_form():
    """Some models, some points in another order, answers that are no numbers: scores, and labels from one half on."""
    given = answers(0)
    given.scores[4, :4] = np.nan, np.inf, -np.inf, 0.5
    for chosen in (np.array([4, 0]), given.keys["split"] == 0):
        for asked in (np.arange(ASKED), np.array([1, 2, 3, 7]), np.arange(ASKED)[::-1]):
            literal = given.scores[chosen][:, asked].astype(np.float64)
            literal[np.isnan(literal)] = 0.5
            literal = np.clip(literal, 0, 1)
            seen = stage.outputs_of(given, chosen, asked, "scores")
            assert seen.dtype == np.float64 and np.array_equal(seen, literal)
            assert np.array_equal(stage.outputs_of(given, chosen, asked, "labels"), (literal >= 0.5) * 1.0)
    assert np.isnan(given.scores[4, 0]), "the answers themselves stay as they are"


def test_shadows_that_are_not_finite_are_left_out():
    given = answers(0)
    given.keys["finite"][[0, 6, 7, 8]] = False
    zero, one = stage.shadows_by_world(given, 0, np.arange(ASKED), "scores")
    assert np.array_equal(zero, given.scores[1:3]) and len(one) == MODELS
    assert len(stage.shadows_by_world(given, 1, np.arange(ASKED), "scores")[0]) == MODELS, (
        "none is finite: all are used"
    )


# Who judges.


def judge(attack, shadows, victims, split, judges, asked=None):
    return stage.judge_split(attack, attack.Settings(), shadows, victims, split, asked or points(), GAME, judges)


def test_a_judge_is_calibrated_once_a_split_and_judges_every_defence_alike():
    attack, shadows, judges = Counting(), answers(0), {}
    for split in range(SPLITS):
        for seed in (1, 2):
            mine, scores, guesses, known = judge(attack, shadows, answers(seed), split, judges)
            fresh = judge(Counting(), shadows, answers(seed), split, None)
            assert np.array_equal(scores, fresh[1]) and np.array_equal(guesses, fresh[2]) and np.isnan(known)
            assert np.array_equal(answers(seed).keys["split"][mine], [split] * 2 * MODELS)
    assert len(attack.seen) == SPLITS
    assert not np.array_equal(attack.seen[0][0], attack.seen[1][0]), "each split has shadows of its own"


def test_other_shadows_are_calibrated_anew():
    attack, victims = Counting(), answers(1)
    scores = [judge(attack, answers(0, level), victims, 0, None)[1] for level in (0.35, 0.65)]
    assert len(attack.seen) == 2 and not np.array_equal(*scores)


def test_an_attack_without_shadows_gets_none():
    attack = Counting()
    attack.shadows = False
    judge(attack, answers(0), answers(1), 0, None, points(origin=(0, 1, -1, 0, 1, -1, 0, 1)))
    assert [part.shape for part in attack.seen[0]] == [(0, 6), (0, 6)], "points of no world are not asked"


@pytest.mark.parametrize("access", ["scores", "labels"])
def test_victims_are_judged_on_what_the_access_allows(access):
    attack = Counting()
    attack.access = access
    judge(attack, answers(0), answers(1), 0, None)
    hard = all(np.isin(part, (0.0, 1.0)).all() for part in attack.seen[0])
    assert hard == (access == "labels")
