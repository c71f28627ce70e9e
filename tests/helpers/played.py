"""A game whose answers lie in memory, an attack that counts, and the one loop that plays them."""

from __future__ import annotations

import numpy as np

from popleak.attacks.base import Attack, Estimator, Game, Judge
from popleak.core import plugins
from popleak.core.settings import NoSettings
from popleak.steps.attack import Judging
from popleak.steps.games import Pair
from popleak.store.answers import Answers, Points
from popleak.threat import play

GAME = Game(ratio_0=0.0, ratio_1=1.0, rows=100, mode="natural", model="logistic")
SPLITS, MODELS, ASKED = 2, 3, 8


def answers(seed, level=0.5, worlds=2) -> Answers:
    keys = np.array([(s, w, i) for s in range(SPLITS) for w in range(worlds) for i in range(MODELS)])
    scores = np.random.default_rng(seed).uniform(level - 0.3, level + 0.3, (len(keys), ASKED)).astype(np.float32)
    split, world, index = keys.T
    finite = np.ones(len(keys), bool)
    columns = {"split": split, "world": world, "model_index": index, "finite": finite, "seed": np.arange(len(keys))}
    return Answers(columns, scores)


def points(origin=(0, 1) * 4) -> Points:
    origin = np.array(origin, np.int8)
    return Points(np.arange(ASKED), np.ones(ASKED, np.int8), origin, origin, None, None)


class Kept:
    """A game whose answers lie in memory, by role and arm; counts what is read."""

    def __init__(self, protocol="pure", ratios=(0.0, 1.0), **arms) -> None:
        self.pair = Pair(pair="game", protocol=protocol, ratios=ratios, poison=0.0)
        self.releases = 1
        self.arms = arms or {"victim_none": answers(1), "shadow_none": answers(0)}
        self.asked = []

    def game(self, attack):
        return GAME

    def seed(self, split):
        return 70 + split

    def answers(self, role, arm, repeats, votes):
        self.asked.append((role, arm, repeats, votes))
        return self.arms[f"{role}_{arm}"]


class Near(Judge):
    """Nearer to the mean of one world's shadows or of the other's."""

    def __init__(self, shadows_0, shadows_1):
        self.means = shadows_0.mean(), shadows_1.mean()

    def score(self, outputs):
        return float(abs(outputs.mean() - self.means[0]) - abs(outputs.mean() - self.means[1]))


class Counting(Attack):
    name, summary, access, many = "counting", "keeps the shadows of each calibration", "scores", True

    def __init__(self, **flags):
        self.seen, self.games = [], []
        vars(self).update(flags)

    def calibrate(self, *, shadows_0, shadows_1, query, game, settings):
        self.seen.append((shadows_0, shadows_1))
        self.games.append(game)
        return Near(shadows_0, shadows_1) if len(shadows_0) else Near(np.zeros(1), np.ones(1))

    def calibrate_many(self, *, shadows, ratios, query, game, settings):
        self.seen.append(tuple(shadows))
        means = [world.mean() for world in shadows]

        class Mean(Estimator):
            def estimate(self, outputs):
                return float(np.clip(np.interp(outputs.mean(), means, ratios), 0, 1))

        return Mean(ratios)


def judging(defences=("none",), knowledge=("unaware", "informed"), **more) -> Judging:
    settings = {
        "task": "t", "model_id": "m", "shadow_model": "m", "attack_id": "counting", "defences": defences, "knowledge": knowledge,
        "aware": {}, "randomised": (), "repeats": (1,), **more,
    }  # fmt: skip
    return Judging(**settings)


def played(attack, source, asked=None, question="pair", **more):
    sets = dict.fromkeys(range(SPLITS), asked or points())
    return play.play(plugins.load("questions", question), attack, NoSettings(), judging(**more), source, sets)
