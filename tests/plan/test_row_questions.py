"""The plan of the question of membership: whom defences are compared with, which steps there are, and what is refused in one line."""

from __future__ import annotations

import pytest

import tiny
from popleak.core.errors import PopleakError
from popleak.core.worlds import World
from popleak.steps.draw import MemberDraw, ModelDraw

PURE, ROWS = {"protocol": "pure"}, {"protocol": "membership", "ratios": [0.3]}
POPULATION = {
    "splits": 2,
    "victims": 16,
    "shadows": 3,
    "public_share": 0.2,
    "victim_share": 0.4,
    "adversary_share": 0.2,
}
STUDENT = {"name": "distillation", "id": "student"}


def task(**changes):
    return [{"dataset": "synthetic", "rows": 60, "query_rows": 30, "options": {"rows": 2000}, **changes}]


def build(**changes):
    usual = {
        "tasks": task(), "worlds": [PURE, ROWS], "defences": ["none", "distillation"], "attacks": ["loss", "lira"], "figures": [],
        "population": POPULATION, "training": {"epochs": 2, "batch": 32, "validation": 0},
    }  # fmt: skip
    return tiny.build(**{**usual, **changes})


def judging(plan, attack="lira"):
    """Return the steps of an attack on rows."""
    return [step for step in plan.all_steps() if step.stage == "attack" and step.settings.attack_id == attack]


def beside(*defences, **changes):
    (step,) = judging(build(defences=["none", *defences], **changes))
    return dict(step.settings.beside)


# Whom defences are compared with.


def test_a_defence_stands_beside_its_control():
    assert beside("fft-rehearsal", "rehearsal") == {"fft-rehearsal": "rehearsal"}
    assert beside("fft-rehearsal") == {}, "the control is not there: beside the base models"
    assert beside("fft-rehearsal", "rehearsal", "scratch") == {"fft-rehearsal": "rehearsal"}


def test_a_student_stands_beside_its_teacher():
    of_fft = {**STUDENT, "settings": {"teacher": "fft-rehearsal"}}
    assert beside(of_fft, "fft-rehearsal", "rehearsal") == {"student": "fft-rehearsal", "fft-rehearsal": "rehearsal"}
    assert beside(STUDENT, "fft-rehearsal") == {"student": "none"}
    assert beside({**STUDENT, "settings": {"teacher": "ensemble"}}) == {"student": "none"}
    assert "student" not in beside(of_fft), "the teacher is not judged: beside the base models"


def test_a_teacher_is_known_by_its_settings():
    named = {"name": "fft", "id": "mine", "settings": {"eo_weight": 2.0}}
    same = {**STUDENT, "settings": {"teacher": "fft", "teacher_settings": {"eo_weight": 2.0}}}
    assert beside(same, named)["student"] == "mine"
    assert "student" not in beside({**STUDENT, "settings": {"teacher": "fft"}}, named), "others at other settings"


def test_only_questions_about_rows_have_comparisons():
    plan = build(defences=["none", "fft-rehearsal", "rehearsal", STUDENT])
    assert judging(plan)[0].settings.beside and not judging(plan, "loss")[0].settings.beside


# Steps.


def test_worlds_of_rows_have_victims_alone_and_jobs_of_their_own():
    plan = build(
        worlds=[PURE, ROWS, {"protocol": "membership-poisoned", "ratios": [0.3]}],
        tasks=task(rows=100, options={"rows": 4000}),
    )
    for step in plan.all_steps():
        worlds = getattr(step.settings, "worlds", None) if step.stage == "train" else None
        if worlds is None:
            continue
        kinds = {World.named(world).half for world in worlds}
        assert len(kinds) == 1 and step.settings.roles == (("victim",) if kinds == {True} else ("victim", "shadow"))


def test_the_question_changes_no_other_job():
    alone = build(worlds=[PURE], attacks=["loss"])
    shared = {
        step.id: step.settings.plain()
        for step in alone.all_steps()
        if step.stage in ("draw", "train", "defend", "query")
    }
    pure = build(worlds=[PURE, ROWS])
    again = {step.id: step.settings.plain() for step in pure.all_steps()}
    assert shared and all(again.get(name) == told for name, told in shared.items())


def test_points_and_draws_of_one_world_agree():
    plan = build(worlds=[PURE, ROWS, {"protocol": "membership-unseen", "ratios": [0.3]}])
    points = [step.settings for step in plan.all_steps() if isinstance(step.settings, MemberDraw)]
    assert [one.unseen for one in points] == [False, True]
    draws = [
        step.settings
        for step in plan.all_steps()
        if isinstance(step.settings, ModelDraw) and any(World.named(one.world).half for one in step.settings.draws)
    ]
    for one in points:
        for other in draws:
            assert (one.seed, one.key, one.mode, one.rows, one.victims) == (
                other.seed, other.key, other.mode, other.rows, other.victims,
            )  # fmt: skip
            assert {drawn.world for drawn in other.draws} == {one.world}


def test_tables_of_rows_are_made_where_rows_are_asked_about():
    names = ("membership", "membership_victims", "membership_roc")
    assert set(names) <= set(build().tables) and not set(names) & set(build(worlds=[PURE], attacks=["loss"]).tables)


def test_models_that_share_candidates_are_as_many_as_is_said():
    """`halves` of the first `halves_splits` splits, whatever the victims of other worlds are; the others' jobs stay as they are."""
    usual, few = build(), build(population={**POPULATION, "halves": 6, "halves_splits": 1})

    def drawn(made):
        return [step.settings for step in made.steps["draw"].values() if "half" in repr(step.settings)]

    for settings in drawn(few):
        assert (settings.victims, settings.first) == (6, 1)
    for settings in drawn(usual):
        assert (settings.victims, settings.first) == (POPULATION["victims"], None)
    pure = {
        step.id for made in (usual, few) for step in made.steps["train"].values() if "half" not in repr(step.settings)
    }
    assert pure == {step.id for step in usual.steps["train"].values() if "half" not in repr(step.settings)}


# What is refused.

REFUSED = {
    "too few": ({"population": {**POPULATION, "victims": 4}}, "4 at least: 2 models a split will not do: set population.halves to an even number, 4 or more"),
    "odd": ({"population": {**POPULATION, "victims": 10}}, "come in pairs that hold complementary halves of the candidates, 4 at least: 5 models a split"),
    "two": ({"population": {**POPULATION, "splits": 1, "victims": 2}}, "2 models a split will not do: set population.halves to an even number, 4 or more"),
    "halves": ({"population": {**POPULATION, "halves": 7}}, "4 at least: 7 models a split will not do"),
    "splits": ({"population": {**POPULATION, "halves_splits": 3}}, "halves_splits (3) must be at most splits (2)"),
    "releases": ({"population": {**POPULATION, "shadows": 4, "releases": 2}}, "each owner has one model: set population.releases to 1"),
    "poison": ({"poison": {"shares": [0, 0.05]}}, "no poison: set poison.shares to [0]"),
    "validation": ({"training": {"epochs": 2, "validation": 0.1}}, "members of nothing: set training.validation to 0"),
    "targets": ({"worlds": [PURE, {"protocol": "membership-poisoned", "ratios": [0.3]}]}, "50 targets stand among 120 candidates, 200 at least are needed: set rows to 100 or more"),
    "alone": ({"worlds": [ROWS], "attacks": ["lira"]}, "worlds of protocol membership need a pair of worlds as well, on which models are measured: add one"),
    "attack on worlds": ({"worlds": [ROWS]}, "attack 'loss' tells worlds apart, and the task has none to tell apart: add worlds of protocol pure, say, or leave it out"),
    "attack on rows": ({"worlds": [PURE]}, "attack 'lira' judges rows, and no worlds of the task ask about them: add worlds of protocol membership, say, or leave it out"),
    "attack on samples": ({"attacks": ["loss", "lira", "label-rate"]}, "attack 'label-rate' judges rows of a generator, and no worlds of the task ask about them: add worlds of protocol samples, say, or leave it out"),
    "no attack": ({"attacks": ["loss"]}, "worlds of protocol membership need an attack on rows: add one of lira, lira-indirect, lira-pair, loss-threshold, rmia"),
    "rmia": ({"defences": ["none", "finetune"], "attacks": ["loss", "rmia"]}, "attack 'rmia' asks public rows, and no defence has any: add one that trains on public rows (distillation, say), or leave it out"),
    "indirect": ({"defences": ["none", {**STUDENT, "settings": {"rows": "own"}}], "attacks": ["loss", "lira-indirect"]}, "attack 'lira-indirect' asks public rows, and no defence has any"),
    "pair": ({"defences": ["none"], "attacks": ["loss", "lira-pair"]}, "attack 'lira-pair' compares a base model with a defended one"),
    "ratios": ({"worlds": [PURE, {"protocol": "membership", "ratios": [0.3, 0.5]}]}, "protocol membership has one ratio, that of the training rows"),
    "twice": ({"worlds": [PURE, ROWS, ROWS]}, "membership [0.3] appears 2 times: keep one"),
    "three classes": (
        {"tasks": task(dataset="synthetic-classes", rows=100, options={"rows": 6000}), "worlds": [PURE, {"protocol": "membership-poisoned", "ratios": [0.3]}]},
        "protocol membership-poisoned, which flips labels, is for labels of two classes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_asked_is_refused_in_one_line(name):
    changes, said = REFUSED[name]
    with pytest.raises(PopleakError) as caught:
        build(**changes)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("changes", [
    {"population": {**POPULATION, "victims": 8}}, {"worlds": [PURE, {"protocol": "membership"}]}, {"attacks": ["loss", "rmia", "lira-indirect"]},
    {"worlds": [PURE, {"protocol": "membership-poisoned", "ratios": [0.3]}], "tasks": task(rows=100, options={"rows": 4000})},
    {"tasks": task(dataset="synthetic-classes", options={"rows": 6000})},
], ids=str)  # fmt: skip
def test_what_is_just_enough_is_taken(changes):
    build(**changes)
