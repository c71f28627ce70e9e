"""Every question of the package, and toy ones from outside, against the contract; and what a broken one is told."""

from __future__ import annotations

import numpy as np
import pytest

from popleak.config import resolve as config
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.core.worlds import World
from popleak.questions.many import ManyWorlds
from popleak.questions.pair import PairOfWorlds
from popleak.questions.poisoning import FairnessPoisoning
from popleak.questions.samples import Samples
from popleak.testing import access as access_checks
from popleak.testing import contracts
from popleak.testing import questions as checks
from popleak.threat.access import samples as of_samples
from popleak.threat.access.base import OfAnswers
from popleak.threat.access.labels import Labels
from popleak.threat.access.weights import Weights
from toys import label_rate, rounded

RATIOS = {
    "ratio": (0.2, 0.7), "k-ary": (0.0, 0.3, 0.5, 1.0), "label-rate": (0.2, 0.8), "samples": (0.1, 0.5, 0.9),
    "fairness-poisoning": (0.0, 0.2), "label-flipping": (0.0, 0.2),
}  # fmt: skip


@pytest.mark.parametrize("name", plugins.names("questions"))
def test_questions(name):
    contracts.check_question(plugins.load("questions", name), ratios=RATIOS)


@pytest.mark.parametrize("name", plugins.names("access"))
def test_access(name):
    contracts.check_access(plugins.load("access", name))


def test_a_question_and_an_access_from_outside():
    contracts.check_question(label_rate.PLUGIN, ratios=RATIOS)
    contracts.check_access(rounded.PLUGIN)


def test_ratios_are_asked_for():
    with pytest.raises(
        AssertionError, match="give check_question ratios for the protocol 'ratio': protocol ratio needs"
    ):
        contracts.check_question(PairOfWorlds())


class Leaky(PairOfWorlds):
    def grade(self, view, fitted, victims):
        rows = super().grade(view, fitted, victims)
        return rows | {"score": rows["score"] + 0.1 * victims.keys["world"]}


class Together(PairOfWorlds):
    def grade(self, view, fitted, victims):
        rows = super().grade(view, fitted, victims)
        return rows | {"score": rows["score"] - rows["score"].mean()}


class Lost(PairOfWorlds):
    def fit(self, view, shadows):
        return super().fit(view, shadows._replace(keys={**shadows.keys, "finite": np.ones(len(shadows.outputs), bool)}))


class Mute(PairOfWorlds):
    def fit(self, view, shadows):
        return super().fit(view, shadows._replace(outputs=np.full_like(shadows.outputs, 0.5)))


class Short(PairOfWorlds):
    def cell(self, pair):
        return {"protocol": pair.protocol}


class Same(PairOfWorlds):
    def worlds(self, protocol, ratios):
        return World(ratios[0]), World(ratios[1])


class Mixed(PairOfWorlds):
    def worlds(self, protocol, ratios):
        return World(ratios[0]), World(ratios[1], label_rate=0.5)


class Loose(PairOfWorlds):
    def ratios(self, protocol, given):
        return (0.0, 1.0) if given is None else tuple(given)


class Nudged(Samples):
    def grade(self, view, fitted, victims):
        rows = super().grade(view, fitted, victims)
        return rows | {"estimate": rows["estimate"] + 0.01 * victims.keys["world"]}


class Blind(Samples):
    def grade(self, view, fitted, victims):
        rows = super().grade(view, fitted, victims)
        return rows | {"estimate": np.full_like(rows["estimate"], 0.5)}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Leaky(), "the column score depends on the truth and on what is seen"),
        (Nudged(), "the column estimate depends on the truth and on what is seen"),
        (Blind(), "of worlds far apart named rightly"),
        (type("Heard", (FairnessPoisoning,), {"answerable": lambda self, attack: attack.rows})(), "answerable says that 'lira'"),
        (type("Learned", (FairnessPoisoning,), {"roles": ("victim", "shadow")})(), "nobody learns from shadows"),
        (type("Idle", (FairnessPoisoning,), {"measured": False})(), "nothing would come of its worlds"),
        (Together(), "the column score of a victim alone differs"),
        (Lost(), "depends on shadows that diverged"),
        (Mute(), "of worlds far apart named rightly"),
        (Short(), "cell and grade must give the columns"),
        (Same(), "two worlds have one name: give equal ones another copy"),
        (Mixed(), "either all worlds have a label rate of their own, or none"),
        (Loose(), r"ratios must refuse \[\] with a ValueError"),
        (type("Wide", (ManyWorlds,), {"measured": True})(), "measured = True: models are measured between two worlds"),
        (type("Lost", (PairOfWorlds,), {"table": "guesses"})(), "'guesses' is no public table"),
        (type("Taken", (PairOfWorlds,), {"name": "taken"})(), "protocol 'pure' is that of the question 'pair': rename it"),
        (type("Groups", (label_rate.LabelRate,), {"groups": True})(), "groups = True, but worlds have a label rate"),
    ],
)  # fmt: skip
def test_what_a_broken_question_is_told(broken, message):
    with pytest.raises(AssertionError, match=message):
        checks.check_protocols(broken, RATIOS)


class Ranked(OfAnswers):
    name, summary, black_box = "ranked", "ranks among models", True

    def of(self, scores):
        return scores.argsort(0).argsort(0) / max(len(scores), 1)


class Few(OfAnswers):
    name, summary = "few", "only the first half of the points"

    def of(self, scores):
        return scores[:, : scores.shape[1] // 2]


class Holes(Weights):
    def outputs(self, kept, chosen, points):
        return kept.scores[chosen].astype(float)


class Doubled(of_samples.Samples):
    def outputs(self, kept, chosen, points):
        return 2 * super().outputs(kept, chosen, points)


class Asked(of_samples.Samples):
    def outputs(self, kept, chosen, points):
        return super().outputs(kept, chosen, points)[:, points]


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Doubled(), "the first column must be the label"),
        (Asked(), "samples are the same whatever is asked"),
        (type("Bare", (of_samples.Samples,), {"hidden": (0,)})(), "the first column must be the label"),
        (Ranked(), "depends on the models beside it"),
        (Few(), r"outputs must be \(6, 8\) float64"),
        (Holes(), "outputs must be finite"),
        (type("Soft", (Labels,), {"of": lambda self, scores: 0.5 * scores})(), "a label is not seen as it is"),
        (type("Near", (Weights,), {"black_box": True})(), "who sees more than answers is no user"),
        (type("Told", (Labels,), {"shown_by": ("ranks",)})(), "shown_by must name some of scores, labels"),
        (type("Else", (Labels,), {"reads": "models"})(), "derives from OfAnswers"),
    ],
)  # fmt: skip
def test_what_a_broken_access_is_told(broken, message):
    with pytest.raises(AssertionError, match=message):
        for check in access_checks.CHECKS:
            check(broken)


# Names of worlds.


@pytest.mark.parametrize(
    ("world", "name"),
    [
        (World(0.5), "0.5#0"), (World(0.5, copy=1), "0.5#1"), (World(1.0, poison=0.01), "1.0#0!0.01"), (World(0.5, 0.2), "0.5y0.2#0"),
        (World(1e-05, 1 / 3, 1, 0.25), f"1e-05y{1 / 3!r}#1!0.25"),
        (World(0.3, half=True), "0.3#0~half"), (World(0.3, half=True, targets=50), "0.3#0~half!50x"),
        (World(0.3, 0.2, 1, half=True, targets=7), "0.3y0.2#1~half!7x"), (World(0.3, poison=0.5, half=True), "0.3#0~half!0.5"),
    ],
)  # fmt: skip
def test_a_world_is_its_name(world, name):
    assert world.name == name and World.named(name) == world


@pytest.mark.parametrize(
    "text", ["", "0.5", "0.5#", "#0", "0.5y#0", "x#0", "0.5#0!", "0.5#0~", "0.5#0~half~half", "0.5#0!50x~half"]
)
def test_what_is_no_name_of_a_world(text):
    with pytest.raises(ValueError):
        World.named(text)


def test_draws_of_a_world_with_its_own_label_rate_have_it_in_both_groups():
    from popleak.core.needs import Mixing, drawn

    for mode in ("natural", "label-balanced"):
        assert drawn(World(0.5, 0.2), 100, mode, 0.9) == {(0, 0): 40, (1, 0): 10, (0, 1): 40, (1, 1): 10}
        mixing = Mixing.of((World(0.5, 0.2), World(0.5, 0.8)), 100, mode, 0.9, 0, (1, 1))
        rehearsed, rest = mixing.parts(0.5)
        assert {key: rehearsed[key] + rest[key] for key in rest} == dict.fromkeys(rest, 25)
        assert mixing.own == drawn(World(0.5, 0.2), 100, mode, 0.9)


# Two questions of one protocol.


def test_a_protocol_belongs_to_one_question(monkeypatch):
    taken = type("Taken", (PairOfWorlds,), {"name": "taken"})()
    names, load = plugins.names, plugins.load
    monkeypatch.setattr(plugins, "names", lambda kind: (*names(kind), "taken") if kind == "questions" else names(kind))
    monkeypatch.setattr(plugins, "load", lambda kind, name: taken if name == "taken" else load(kind, name))
    with pytest.raises(PopleakError, match="questions: 'pair' and 'taken' both have the protocol 'pure': rename one"):
        plugins.protocols()


def test_an_unknown_protocol_is_named():
    with pytest.raises(
        PopleakError,
        match=r"worlds\.0\.protocol: unknown: choose from equal, fairness-poisoning, k-ary, label-flipping, membership, membership-poisoned, membership-unseen, pure, ratio, samples \(found 'pur'\)",
    ):
        config.load({"tasks": [{"dataset": "synthetic"}], "worlds": [{"protocol": "pur"}]})
