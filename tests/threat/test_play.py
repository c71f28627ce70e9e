"""The one loop: what the adversary sees of models, and which shadows judge whom."""

from __future__ import annotations

import numpy as np
import pytest

from played import ASKED, MODELS, SPLITS, Counting, Kept, answers, judging, played, points
from popleak.core import plugins
from popleak.core.errors import PopleakError
from popleak.store.answers import Answers
from popleak.threat import play

# What is seen.


def test_outputs_against_the_literal_form():
    """Some models, some points in another order, answers that are no numbers: scores, and labels from one half on."""
    given = answers(0)
    given.scores[4, :4] = np.nan, np.inf, -np.inf, 0.5
    scores, labels = (plugins.load("access", name) for name in ("scores", "labels"))
    for chosen in (np.array([4, 0]), np.flatnonzero(given.keys["split"] == 0)):
        for asked in (np.arange(ASKED), np.array([1, 2, 3, 7]), np.arange(ASKED)[::-1]):
            literal = given.scores[chosen][:, asked].astype(np.float64)
            literal[np.isnan(literal)] = 0.5
            literal = np.clip(literal, 0, 1)
            seen = scores.outputs(given, chosen, asked)
            assert seen.dtype == np.float64 and np.array_equal(seen, literal)
            assert np.array_equal(labels.outputs(given, chosen, asked), (literal >= 0.5) * 1.0)
    assert np.isnan(given.scores[4, 0]), "the answers themselves stay as they are"


def test_a_pair_is_the_same_models_base_beside_it_whatever_their_order():
    base, own = answers(1), answers(2)
    order = np.random.default_rng(0).permutation(len(base.scores))
    mixed = Answers({name: values[order] for name, values in base.keys.items()}, base.scores[order])
    source, pair = Kept(victim_none=mixed, victim_fft=own), plugins.load("access", "pair")
    found = pair.read(source, "victim", "fft", 4, False)
    assert np.array_equal(found.scores, np.concatenate([base.scores, own.scores], axis=1))
    assert source.asked == [("victim", "fft", 4, False), ("victim", "none", 1, False)]
    asked = np.array([5, 3])
    seen = pair.outputs(found, np.array([1]), asked)
    assert np.array_equal(seen[0], np.r_[base.scores[1, asked], own.scores[1, asked]].astype(float))


def test_shadows_that_are_not_finite_are_left_out():
    given = answers(0)
    given.keys["finite"][[0, 6, 7, 8]] = False
    scores = plugins.load("access", "scores")
    zero, one = play.shown(scores, given, 0, np.arange(ASKED)).by_world(2)
    assert np.array_equal(zero, given.scores[1:3]) and len(one) == MODELS
    assert len(play.shown(scores, given, 1, np.arange(ASKED)).by_world(2)[0]) == MODELS, "none is finite: all are used"


def test_worlds_that_lie_mixed_are_told_by_their_keys():
    given = answers(0)
    order = np.random.default_rng(1).permutation(len(given.scores))
    mixed = Answers({name: values[order] for name, values in given.keys.items()}, given.scores[order])
    scores = plugins.load("access", "scores")
    before, after = (play.shown(scores, one, 1, np.arange(ASKED)).by_world(2) for one in (given, mixed))
    for one, other in zip(before, after, strict=True):
        assert sorted(map(tuple, one)) == sorted(map(tuple, other))


# Who judges.


def test_undefended_shadows_are_fitted_once_a_split_and_judge_every_defence_alike():
    attack = Counting()
    arms = {"shadow_none": answers(0), "shadow_fft": answers(3), "victim_none": answers(1), "victim_fft": answers(2)}
    source = Kept(**arms)
    parts = played(attack, source, defences=("none", "fft"))
    assert [(part["defence"], part["knowledge"], part["split"][0]) for part in parts] == [
        ("none", "informed", 0), ("none", "informed", 1), ("fft", "unaware", 0), ("fft", "unaware", 1),
        ("fft", "informed", 0), ("fft", "informed", 1),
    ]  # fmt: skip
    assert len(attack.seen) == 2 * SPLITS and source.asked.count(("shadow", "none", 1, False)) == 1
    assert not np.array_equal(attack.seen[0][0], attack.seen[1][0]), "each split has shadows of its own"
    assert [game.seed for game in attack.games] == [70, 71, 70, 71]
    for part in parts:
        split, arm = part["split"][0], "none" if part["knowledge"] == "unaware" else part["defence"]
        fresh = played(
            Counting(), Kept(shadow_none=arms[f"shadow_{arm}"], victim_none=arms[f"victim_{part['defence']}"])
        )
        for name in ("score", "guess", "world", "model_index"):
            assert np.array_equal(part[name], fresh[split][name])
        assert np.isnan(part["known_ceiling"])


def test_an_attack_without_shadows_gets_none():
    attack = Counting(shadows=False)
    source = Kept()
    parts = played(attack, source, points(origin=(0, 1, -1, 0, 1, -1, 0, 1)))
    assert [part.shape for part in attack.seen[0]] == [(0, 6), (0, 6)], "points of no world are not asked"
    assert {part["knowledge"] for part in parts} == {"any"} and not [one for one in source.asked if one[0] == "shadow"]


@pytest.mark.parametrize("access", ["scores", "labels"])
def test_victims_are_judged_on_what_the_access_allows(access):
    attack = Counting(access=access)
    source = Kept()
    played(attack, source)
    hard = all(np.isin(part, (0.0, 1.0)).all() for part in attack.seen[0])
    assert hard == (access == "labels")
    votes = access == "labels"
    assert ("shadow", "none", 1, votes) in source.asked


def test_shadows_may_show_more_than_victims():
    attack = Counting(access="labels", shadow_access="scores")
    source = Kept()
    played(attack, source)
    assert not np.isin(attack.seen[0][0], (0.0, 1.0)).any()
    assert source.asked == [("victim", "none", 1, True), ("shadow", "none", 1, True)]


def test_what_cannot_be_mounted_is_refused_and_what_does_not_apply_left_out():
    with pytest.raises(PopleakError, match=r"^attack counting: no layers$"):
        played(Counting(refuses=lambda game: "no layers"), Kept())
    assert played(Counting(applies=lambda game: False), Kept()) == []


def test_many_worlds_go_the_same_way():
    ratios = (0.0, 0.4, 1.0)
    source = Kept("k-ary", ratios, victim_none=answers(1, worlds=3), shadow_none=answers(0, worlds=3))
    attack = Counting()
    parts = played(attack, source, question="many")
    assert len(attack.seen) == len(parts) == SPLITS and [len(worlds) for worlds in attack.seen] == [3, 3]
    assert parts[0]["ratios"] == "0 0.4 1" and parts[0]["ratio"].tolist() == [
        one for one in ratios for _ in range(MODELS)
    ]
    assert set(parts[0]["named"]) <= set(ratios) and "world" not in parts[0]


# What is known of the defence.


@pytest.mark.parametrize(
    ("knowledge", "aware", "found"),
    [
        (("unaware", "aware", "informed"), {}, [("unaware", "none"), ("informed", "fft")]),
        (("unaware", "aware", "informed"), {"fft": "usual"}, [("unaware", "none"), ("aware", "usual"), ("informed", "fft")]),
        (("aware",), {}, [("informed", "fft")]),
        (("aware",), {"fft": "usual"}, [("aware", "usual")]),
    ],
)  # fmt: skip
def test_knowledge_says_whose_answers_the_shadows_are(knowledge, aware, found):
    source = Kept(
        victim_none=answers(1),
        victim_fft=answers(2),
        shadow_none=answers(0),
        shadow_fft=answers(3),
        shadow_usual=answers(4),
    )
    parts = played(Counting(), source, defences=("fft",), knowledge=knowledge, aware=aware)
    arms = [arm for role, arm, *_ in source.asked if role == "shadow"]
    assert list(zip(dict.fromkeys(part["knowledge"] for part in parts), arms, strict=True)) == found


def test_who_compares_with_the_base_model_needs_a_defence_and_is_never_unaware():
    source = Kept(victim_none=answers(1), victim_fft=answers(2), shadow_none=answers(0), shadow_fft=answers(3))
    parts = played(Counting(access="pair"), source, defences=("none", "fft"))
    assert {(part["defence"], part["knowledge"]) for part in parts} == {("fft", "informed")}


def test_only_answers_are_asked_for_again():
    source = Kept()
    for access, repeats in (("scores", [1, 5]), ("weights", [1])):
        attack = Counting(access=access)
        found = play.cells(attack, plugins.load("access", access), judging(randomised=("none",), repeats=(1, 5)))
        assert [asked for _, asked in found] == repeats
    assert source.asked == []
