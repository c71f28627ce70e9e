"""The plan of generators: trained once whatever is asked of them, for the worlds that need them, and what is refused in one line."""

from __future__ import annotations

import pytest

import generated
import tiny
from generated import FAIR, FFT, RATIO, RECEIVER, SAMPLES, SMALL, build, ids, received, steps
from popleak.core.errors import PopleakError
from popleak.core.needs import Mixing
from popleak.core.worlds import World
from popleak.plan import releasing

MODELS = ("train", "defend")
POISONING = {"protocol": "fairness-poisoning", "ratios": [0, 0.3]}
PURE = {"protocol": "pure"}
MADE = {"generators": [], "attacks": ["kl"]}


def made(plan, *stages) -> set[str]:
    """Return the steps of these stages that are about generators."""
    return {one for one in ids(plan, *stages) if "tabular-diffusion" in one}


def of_receiver(**settings):
    return {"name": "synthetic", "settings": {"generator_settings": SMALL, **settings}}


# Trained once.


@pytest.mark.parametrize(
    "changes",
    [
        {"attacks": ["property-inference", "kl"]},
        {"attacks": ["property-classifier", "label-rate", "shadow-generators", "kl", "loss"]},
        {"defences": ["none", RECEIVER]},
        {"defences": ["none", RECEIVER, {**of_receiver(rebalance=True), "id": "balanced"}, FFT]},
        {"sharers": ["none", "fixed-prior"]},
        {"models": ["mlp", "logistic"]},
    ],
    ids=str,
)
def test_generators_are_trained_once_whatever_is_asked_of_them(changes):
    usual, other = build(), build(**changes)
    for stage in ("draw", "train"):
        assert made(usual, stage) == made(other, stage)
    assert made(usual, "train") and made(usual, "sample") <= made(other, "sample")
    assert not made(other, "defend")


def test_attacks_that_come_and_go_draw_no_row_again():
    few, many = (
        build(attacks=["property-inference", "kl"]),
        build(attacks=["label-rate", "shadow-generators", "property-inference", "kl"]),
    )
    assert made(few, "train", "sample", "inspect") == made(many, "train", "sample", "inspect")
    assert {one for one in ids(few, "attack") if "property-inference" in one} <= ids(many, "attack")


def test_a_sharer_that_is_added_has_its_own_generators_defended_and_sampled():
    few, many = build(), build(sharers=["none", FAIR])
    assert made(few, "train", "sample") <= made(many, "train", "sample") and made(few, "train") == made(many, "train")
    assert all("rehearsal" in one for one in made(many, "defend", "sample") - made(few, "sample"))
    assert ids(few, "query") == ids(many, "query") and ids(few, "measure") == ids(many, "measure")


def test_a_receiver_of_the_same_sharer_has_nothing_trained_for_it():
    receiver = of_receiver(sharer="rehearsal", sharer_settings={"epochs": 2})
    alone, beside = (build(sharers=["none", FAIR], defences=defences) for defences in (["none"], ["none", receiver]))
    assert made(alone, *MODELS, "sample") == made(beside, *MODELS, "sample")


def test_two_generators_that_differ_in_their_ids_alone_are_one():
    plan = build(**received(generators=[generated.GENERATOR, {**generated.GENERATOR, "id": "other"}]))
    assert made(plan, "train") == made(build(), "train")


@pytest.mark.parametrize("settings", [{"rebalance": True}, {"eo_weight": 2.0}, {"epochs": 3}])
def test_a_receivers_setting_re_runs_its_own_jobs(settings):
    """Its own training, and who asks or measures it: nothing of generators, and nothing of what others train."""
    usual, other = (build(**received(defences=["none", "finetune", of_receiver(**own)])) for own in ({}, settings))
    for stage in ("dataset", "split", "draw", "train", "sample", "inspect"):
        assert ids(usual, stage) == ids(other, stage), stage
    for stage in ("defend", "query"):
        assert all("-synthetic-" in one for one in ids(usual, stage) ^ ids(other, stage)), stage
    assert ids(usual, "defend") != ids(other, "defend")
    assert {one for one in ids(usual, "attack") if "property" in one} <= ids(other, "attack")


@pytest.mark.parametrize(("key", "value"), [("rows", 40), ("labels", "even")])
def test_what_is_released_is_drawn_again_and_trained_no_more(key, value):
    usual, other = build(**received()), build(**received(samples={key: value}))
    assert ids(usual, "train") == ids(other, "train")
    assert not made(usual, "sample") & made(other, "sample")
    assert all("-synthetic-" in one for one in ids(usual, "defend") ^ ids(other, "defend"))


def test_more_settings_of_a_generator_train_it_again_and_no_classifier():
    usual, other = build(), build(generators=[{"name": "tabular-diffusion", "settings": {**SMALL, "width": 24}}])
    assert not made(usual, "train") & made(other, "train")
    assert ids(usual, "train") - made(usual, "train") == ids(other, "train") - made(other, "train")


# Worlds and roles.


def test_worlds_of_victims_alone_have_no_shadow_generators():
    plan = build(worlds=[POISONING], **MADE, defences=["none", RECEIVER])
    trained, sampled = (
        [step for step in steps(plan, stage) if "tabular-diffusion" in step.id] for stage in ("train", "sample")
    )
    assert trained and sampled and all(step.settings.roles == ("victim",) for step in (*trained, *sampled))
    assert not steps(plan, "query") and not steps(plan, "attack")


def test_beside_them_other_worlds_have_theirs():
    plan = build(worlds=[POISONING, RATIO], **MADE, defences=["none", RECEIVER])
    for step in steps(plan, "sample"):
        alone = any("!" in world for world, _ in step.settings.made)
        assert step.settings.roles == (("victim",) if alone else ("victim", "shadow"))
    assert {step.settings.roles for step in steps(plan, "sample")} == {("victim",), ("victim", "shadow")}


def test_receivers_without_a_question_about_samples_have_generators_of_their_worlds():
    plan = build(worlds=[RATIO], **MADE, defences=["none", RECEIVER])
    assert {world for step in steps(plan, "sample") for world, _ in step.settings.made} == {"0.2#0", "0.8#0"}
    assert "shares" not in plan.tables and "samples" in plan.tables


def test_without_generators_and_receivers_nothing_is_sampled():
    plan = build(worlds=[RATIO], **MADE)
    assert not made(plan, "train") and not steps(plan, "sample") and not steps(plan, "inspect")
    assert not {"shares", "samples"} & set(plan.tables)


def test_no_classifier_is_trained_for_a_question_about_samples():
    plan = build(worlds=[SAMPLES, RATIO])
    assert not {one for one in ids(plan, "train") if "logistic" in one and "0p5" in one}
    assert {world for step in steps(plan, "sample") for world, _ in step.settings.made} == {"0.2#0", "0.5#0", "0.8#0"}


def test_placebos_have_no_generators_and_no_attacks_on_them():
    """The group column is permuted for the question about classifiers."""
    plan = build(tasks=[{**generated.raw()["tasks"][0], "placebo": 2}])
    extra = {step.id for step in plan.all_steps() if step.id in plan.placebos}
    assert extra and not {one for one in extra if "tabular-diffusion" in one or "property" in one}


# Refused before any job.


ENDS = {"protocol": "samples", "ratios": [0.0, 0.5, 1.0]}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"worlds": [ENDS, RATIO], "sharers": ["none", "fixed-prior"]}, "sharer 'fixed-prior': share: 0.5 of the released rows are to be of group 1"),
        ({"worlds": [ENDS, RATIO], "sharers": ["none", {"name": "resample", "settings": {"how": "under"}}]}, "sharer 'resample': "),
        ({"worlds": [PURE], **MADE, "defences": ["none", FFT]}, "defence 'fft-generated': rows of group 1 are asked for"),
        ({"worlds": [PURE], **MADE, "defences": ["none", of_receiver(sharer="fixed-prior")]}, "defence 'synthetic': sharer 'fixed-prior': share"),
        ({"samples": {"rows": 10}, "attacks": [{"name": "property-inference", "settings": {"samples": 11}}, "kl"]}, "first 11 rows of each generator"),
        ({"samples": {"labels": "even"}, "sharers": ["none", "fixed-prior"]}, "sharer 'fixed-prior': rows are released by group"),
        ({"worlds": [SAMPLES, RATIO], "attacks": ["kl"]}, "worlds of protocol samples need an attack on samples of a generator: add one of"),
        ({"worlds": [RATIO], "generators": [], "attacks": ["kl", "label-rate"]}, "attack 'label-rate' judges rows of a generator"),
        ({"worlds": [SAMPLES], "attacks": generated.ATTACKS}, "worlds of protocol samples need a pair of worlds as well"),
        ({"worlds": [POISONING], **MADE, "poison": {"shares": [0.05]}}, "a sharer replaces rows, and no adversary slips any in"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_refused_in_one_line(changes, said):
    with pytest.raises(PopleakError) as error:
        build(**changes)
    assert said in str(error.value) and "\n" not in str(error.value) and str(error.value).startswith("config: tasks: ")


@pytest.mark.parametrize(
    "changes",
    [
        {"worlds": [ENDS, RATIO]},
        {"worlds": [{"protocol": "samples", "ratios": [0.0, 0.5]}, RATIO], "sharers": ["none", {"name": "fixed-prior", "settings": {"share": 0.0}}]},
        {"worlds": [ENDS, RATIO], "sharers": ["none", FAIR]},
        {"worlds": [PURE], **MADE, "defences": ["none", RECEIVER]},
        {"worlds": [PURE, SAMPLES], "defences": ["none", "fft"]},
        {"samples": {"rows": 10}, "attacks": [{"name": "property-inference", "settings": {"samples": 10}}, "kl"]},
        {"poison": {"shares": [0, 0.05]}},
    ],
    ids=str,
)  # fmt: skip
def test_what_can_be_had_is_planned(changes):
    assert steps(build(**changes), "sample")


def poisoned(rows):
    task = {"dataset": "digits", "label": "even", "attribute": "loop", "rows": rows, "query_rows": 40}
    worlds = [{"protocol": "fairness-poisoning", "ratios": [0, 1.0]}]
    return build(tasks=[task], worlds=worlds, **MADE)


def test_a_share_of_chosen_rows_that_the_pool_cannot_give_is_refused_before_any_job(tmp_path):
    """What the plan refuses the draw would, too, and what it lets through is drawn."""
    with pytest.raises(
        PopleakError,
        match=r"share 1 of 500 rows is asked for, and the victim pool holds .* for a share of about 0\.\d\d: lower",
    ):
        poisoned(500)
    plan = poisoned(150)
    for step in (one for stage in ("dataset", "split", "draw") for one in steps(plan, stage)):
        tiny.run_stage(step, tmp_path)


def test_rows_with_hardly_one_of_a_label_are_refused_before_any_job():
    """Four sharers with twelve rows each, half of them even: one has fewer than two of a label with probability .013."""
    with pytest.raises(
        PopleakError, match=r"a sharer's 12 rows are to keep their I\(X; Y\), which needs two of each label"
    ):
        poisoned(12)


@pytest.mark.parametrize(("mode", "rate", "said"), [("natural", 0.02, True), ("natural", 0.3, False), ("natural", 0.98, True), ("label-balanced", 0.02, False), ("label-balanced", 0.01, True)])  # fmt: skip
def test_which_labels_are_too_rare(mode, rate, said):
    """Of 80 rows, .02 are two in each draw where labels are counted, and about 1.6 where they fall as they may."""
    asked = {"generators": [], "attacks": ["kl"], "ratio_mode": mode}
    (task,) = build(worlds=[POISONING], **asked).tasks
    assert bool(lines := releasing.rare(task, rate, 0.01)) == said
    assert all(f"have label {int(rate < 0.5)}: raise" in line for line in lines)
    (task,) = build(worlds=[FLIPPING], **asked).tasks
    assert not releasing.rare(task, rate, 0.01), "who flips labels keeps nothing"


RESAMPLE = {"name": "resample", "settings": {"how": "under"}}
FLIPPING = {"protocol": "label-flipping", "ratios": [0, 0.3]}


@pytest.mark.parametrize("world", [POISONING, FLIPPING], ids=["chosen", "flipped"])
@pytest.mark.parametrize(
    ("defence", "who"),
    [
        (RESAMPLE, "defence 'resample'"),
        ({**RESAMPLE, "settings": {"how": "exact"}}, "defence 'resample'"),
        ({"name": "synthetic", "settings": {"generator_settings": SMALL, "sharer": "resample", "sharer_settings": {"how": "under"}}}, "sharer 'resample'"),
    ],
    ids=["defence", "exact", "sharer"],
)  # fmt: skip
def test_rows_are_not_resampled_by_counts_that_nobody_knows(world, defence, who):
    asked = {"generators": [], "attacks": ["kl"], "defences": ["none", defence]}
    build(worlds=[RATIO], **asked)
    with pytest.raises(PopleakError) as error:
        build(worlds=[world], **asked)
    assert who in str(error.value) and "its sharer replaced rows" in str(error.value) and "\n" not in str(error.value)
    assert not Mixing.of((World(0.5, chosen=0.0), World(0.5)), 80, "natural", 0.5, 0, (1, 1)).replaced
