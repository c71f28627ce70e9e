"""Audits of generated tables, from the data to the lights: a real difference, none, and too few rows."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

import audited
from popleak.core.errors import PopleakError
from popleak.measures.lights import CLEAR, DULL, FEW, LEAK, OPEN, PLACEBO, WIDE
from popleak.report import advised, audit_file
from popleak.store import parquet as store
from popleak.store import seal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return audited.Audited(tmp_path_factory.mktemp("real"), 4000, 1.0)


@pytest.fixture(scope="module")
def same(tmp_path_factory):
    return audited.Audited(tmp_path_factory.mktemp("same"), 4000, 0.0)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    population = {"splits": 3, "victims": 12, "shadows": 6}
    return audited.Audited(tmp_path_factory.mktemp("few"), 260, 0.3, population=population)


def by_access(ran) -> dict:
    return {one.access: one for one in ran.file.lights}


def test_a_real_difference_is_red(real):
    found = by_access(real)
    assert set(found) == {"labels", "scores"} and found["scores"].light == LEAK and real.file.light == LEAK
    one = found["scores"]
    assert one.shown and one.beyond_placebos and one.p_holm < 0.05
    assert one.advantage.low > max(abs(each.value) for each in one.placebos) and len(one.placebos) == 3
    assert "can tell an all-Male from an all-Female training set in " in real.file.sentence
    assert (
        f"in {100 * one.accuracy.value:.0f} of 100 cases" in real.file.sentence
        and "on shuffled groups up to" in real.file.sentence
    )


def test_no_difference_is_not_red(same):
    assert all(one.light != LEAK for one in same.file.lights) and same.file.light != LEAK
    for one in same.file.lights:
        assert one.light == CLEAR or one.reason in (WIDE, PLACEBO)
    assert "can tell an all" not in same.file.sentence.partition("whether")[0]


def test_too_few_rows_are_grey_and_say_what_would_do(few):
    grey = [one for one in few.file.lights if one.light == OPEN]
    assert grey and few.file.light != CLEAR
    text = few.page.read_text(encoding="utf-8")
    for one in grey:
        if one.needed_splits is not None:
            assert one.needed_splits > one.splits and one.needed_victims == one.needed_splits * 24 // 3
            told = (
                f"{one.needed_splits} pool splits would do ({one.needed_victims:,} models",
                f"it would take {one.needed_splits:,} pool splits",
            )
            assert told[one.needed_splits > advised.FEASIBLE * one.splits] in text
    assert any(one.needed_splits is not None or one.reason == PLACEBO for one in grey)
    assert not any(one.reason.startswith(FEW) for one in grey)


def test_models_that_have_hardly_learnt_are_never_green(tmp_path):
    """An audit of models trained in two steps found nothing, and was green, where a simple model of as many rows would have given much away."""
    ran = audited.Audited(
        tmp_path, 4000, 1.0, training={"epochs": 1, "batch": 256, "learning_rate": 0.0001}, audit={"margin": 0.9}
    )
    assert {one.reason for one in ran.file.lights} == {DULL} and ran.file.light == OPEN
    for one in ran.file.lights:
        assert one.model_accuracy < one.model_accuracy_constant + 0.01 < one.model_accuracy_regression
        assert max(abs(one.advantage.low), abs(one.advantage.high)) < 0.9, "its interval alone would be clear"
    text = ran.page.read_text(encoding="utf-8")
    assert "cannot become green as the models have hardly learnt" in text and "training.epochs" in text
    assert "a logistic regression of as many rows" in text
    assert audit_file.failing(ran.file, above=0.95, on=OPEN) == list(ran.file.lights)
    raw = json.loads(ran.page.with_suffix(".json").read_text(encoding="utf-8"))
    raw["lights"] = [{**one, "light": CLEAR, "reason": ""} for one in raw["lights"]]
    edited = tmp_path / "edited.json"
    edited.write_text(json.dumps({**raw, "light": CLEAR}), encoding="utf-8")
    with pytest.raises(PopleakError, match="is green, and its models have hardly learnt"):
        audit_file.read(edited)


def test_whoever_holds_the_weights_can_ask_the_model(tmp_path):
    """Lights on weights were green where scores of the same models were red, as attacks on weights alone stood for them."""
    found = audited.Audited(tmp_path, 4000, 1.0, attacks=["kl", "weights"], defences=["none"]).file
    scores, weights = ({one.access: one for one in found.lights}[name] for name in ("scores", "weights"))
    assert set(weights.attacks) == {"kl", "weights"} and set(scores.attacks) == {"kl"}
    assert scores.light == LEAK == weights.light


def test_the_proposed_training_is_long_enough_for_few_rows(real):
    for one in real.file.lights:
        assert one.model_accuracy > one.model_accuracy_constant + 0.8 * (
            one.model_accuracy_regression - one.model_accuracy_constant
        )


def test_the_light_of_scores_repeats_the_table(real):
    """`best` of the table `leakage`, and its placebos those of the table `placebo`."""
    table, mixed = real.table("leakage"), real.table("placebo")
    row = table[(table["adversary"] == "best") & (table["defence"] == "none")].iloc[0]
    one = by_access(real)["scores"]
    for name in ("accuracy", "advantage"):
        there = getattr(one, name)
        assert (there.value, there.low, there.high) == pytest.approx(tuple(row[[name, f"{name}_low", f"{name}_high"]]))
    values = mixed[(mixed["adversary"] == "best") & mixed["permutation"].notna()]["accuracy"]
    assert sorted(each.value for each in one.placebos) == pytest.approx(sorted(2 * values - 1))


def test_a_light_with_one_attack_is_that_attack(real):
    one, table = by_access(real)["labels"], real.table("leakage")
    assert one.attacks == ("loss",) and one.strongest == "loss"
    row = table[(table["adversary"] == "loss") & (table["defence"] == "none")].iloc[0]
    assert one.accuracy.low == pytest.approx(row["accuracy_low"])


def test_the_file_names_what_it_rests_on(real):
    found = real.file
    assert (
        found.version == audit_file.VERSION and found.margin == 0.1 and found.level == 0.95 and found.defence == "none"
    )
    assert len(found.settings_digest) == 64 and found.code_digest == real.plan.advice.code
    facts = {name: store.facts(real.folder / real.plan.tables[name].outputs["table"])["step"] for name in found.tables}
    assert found.tables == facts
    raw = json.loads(real.page.with_suffix(".json").read_text(encoding="utf-8"))
    assert set(raw) == set(audit_file.AuditFile.model_fields)
    assert not any(
        isinstance(one, float) and not math.isfinite(one) for one in pd.json_normalize(raw["lights"]).to_numpy().ravel()
    )


def test_the_file_follows_its_schema(real):
    jsonschema = pytest.importorskip("jsonschema")
    raw = json.loads(real.page.with_suffix(".json").read_text(encoding="utf-8"))
    jsonschema.validate(raw, audit_file.schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**raw, "light": "amber"}, audit_file.schema())


def test_the_price_of_each_defence_is_told(real):
    (one,) = real.file.defences
    table = real.table("defences")
    row = table[table["defence"] == "scratch"].iloc[0]
    assert one.defence == "scratch" and one.certified_advantage == 0.0
    assert one.seconds == pytest.approx(row["seconds_reference"]) and one.delta_eo == pytest.approx(row["delta_eo"])
    text = real.page.read_text(encoding="utf-8")
    assert (
        "With access to the training, use scratch" in text
        and "Against the leak try <code>scratch</code> (the model is trained again, from the start, on as many rows of each group)"
        in text
    )


def test_the_page_is_one_file_whole_and_published(real):
    text = real.page.read_text(encoding="utf-8")
    assert "<script" not in text and "http://" not in text and "src=" not in text and "<link" not in text
    seal.check_by(seal.manifest_of(real.page), real.page)
    seal.check_by(seal.manifest_of(real.page), real.page.with_suffix(".json"))
    assert {"results/people-audit/audit.html", "results/people-audit/audit.json"} <= set(real.plan.public("report"))
    crate = json.loads((real.folder / real.plan.report.outputs["crate.json"]).read_text(encoding="utf-8"))
    listed = {one["@id"]: one.get("sha256") for one in crate["@graph"]}
    assert listed["audit.html"] == seal.file_digest(real.page)


def test_lights_of_a_defence_speak_of_its_models(real, tmp_path):
    """The same run, with the defence in the config: nothing is trained again."""
    plan = audited.replanned(real, audit={"margin": 0.1, "defence": "scratch"})
    assert {step.id for stage in ("train", "defend", "attack") for step in plan.steps[stage].values()} == {
        step.id for stage in ("train", "defend", "attack") for step in real.plan.steps[stage].values()
    }
    found = audited.advised(real, plan)
    table = real.table("leakage")
    row = table[
        (table["adversary"] == "best") & (table["defence"] == "scratch") & (table["knowledge"] == "informed")
    ].iloc[0]
    one = next(each for each in found.lights if each.access == "scores")
    assert found.defence == "scratch" and one.accuracy.value == pytest.approx(row["accuracy"]) and one.light != LEAK
