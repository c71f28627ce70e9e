"""How a task's work is cut into jobs: what shares one, what never does, and what a change of the config leaves alone."""

from __future__ import annotations

import dataclasses
import itertools

import pytest

import tiny
from popleak.plan import build as plan
from popleak.plan.cost import Shape, bundles, factor

STORE = plan.STAGES[: plan.STAGES.index("tables")]
RATIOS = [{"protocol": "ratio", "ratios": [ratio, 0.5]} for ratio in (0.1, 0.2, 0.3, 0.4)]


def cut(job_seconds: float, **changes) -> plan.Plan:
    return tiny.build(worlds=RATIOS, engine={"job_seconds": job_seconds}, **changes)


def seconds(built: plan.Plan, stage: str) -> float:
    return sum(step.seconds for step in built.steps[stage].values())


def test_worlds_share_a_job_until_it_is_full():
    whole = cut(1e9)
    assert len(whole.steps["train"]) == 1 and len(whole.steps["defend"]) == 2 and len(whole.steps["attack"]) == 2
    (train,) = whole.steps["train"].values()
    assert train.settings.worlds == ("0.1#0", "0.5#0", "0.2#0", "0.3#0", "0.4#0")
    half = cut(train.seconds / 2)
    assert [len(step.settings.worlds) for step in half.steps["train"].values()] == [2, 2, 1]
    for stage in ("train", "defend"):
        assert seconds(half, stage) == pytest.approx(seconds(whole, stage))
        assert sum(step.models for step in half.steps[stage].values()) == sum(
            step.models for step in whole.steps[stage].values()
        )


def test_a_large_world_is_cut_into_parts():
    whole = cut(1e9)
    built = cut(seconds(whole, "train") / 5 / 3, population={"splits": 1, "victims": 6, "shadows": 6})
    train = [step for step in built.steps["train"].values() if step.settings.worlds == ("0.5#0",)]
    parts = sorted(step.settings.part for step in train)
    assert len(parts) > 1 and parts == [(i, len(parts)) for i in range(len(parts))]
    assert all("part" in step.id for step in train)
    asked = next(iter(built.steps["query"].values()))
    assert {path for step in train for path in [step.outputs["victims"]]} <= set(asked.inputs["victim_models"])
    tuned = [step for step in built.steps["defend"].values() if step.settings.directions == (("0.5#0", "0.1#0"),)]
    for step in tuned:
        assert set(step.inputs["base_victims"]) == {one.outputs["victims"] for one in train}
    tight = cut(1e-9, population={"splits": 1, "victims": 6, "shadows": 4})
    assert {step.settings.part[1] for step in tight.steps["train"].values()} == {4}, "a part holds at least one of each"


def test_memory_does_not_grow_with_the_worlds_of_a_job():
    whole, single = cut(1e9), cut(1e-9, population={"splits": 1, "victims": 1 + 1, "shadows": 1})
    one = cut(1e9, population={"splits": 1, "victims": 2, "shadows": 1})
    for stage in ("draw", "train", "defend", "query", "measure", "attack"):
        asked = {step.mem_mb for step in one.steps[stage].values() if "-query-" not in step.id}
        assert asked == {step.mem_mb for step in single.steps[stage].values() if "-query-" not in step.id}, stage
        more = cut(1e9, population={"splits": 1, "victims": 20000, "shadows": 10000})
        assert min(step.mem_mb for step in more.steps[stage].values()) > max(asked), stage
    assert len(whole.steps["train"]) == 1 < len(single.steps["train"])


def test_what_a_user_adds_alone_has_jobs_of_its_own():
    built = cut(1e9)
    for stage, key in (("defend", "defence"), ("attack", "attack_id"), ("train", "model")):
        named = [getattr(step.settings, key) for step in built.steps[stage].values()]
        assert len(named) == len(set(named)), stage


@pytest.mark.parametrize(
    "worlds",
    [
        [{"protocol": "pure"}, {"protocol": "ratio", "ratios": [0, 1]}],
        [{"protocol": "ratio", "ratios": [0.3, 0.5]}, {"protocol": "ratio", "ratios": [0.5, 0.3]}],
    ],
)
@pytest.mark.parametrize("job_seconds", [1e-9, 1e9])
def test_pairs_of_the_same_worlds_share_their_models(worlds, job_seconds):
    one = tiny.build(worlds=worlds[:1], engine={"job_seconds": job_seconds})
    both = tiny.build(worlds=worlds, engine={"job_seconds": job_seconds})
    for stage in ("train", "defend"):
        assert set(both.steps[stage]) == set(one.steps[stage])
    for step in both.steps["query"].values():
        for role in ("victim_models", "shadow_models"):
            assert len(step.inputs[role]) == sum(arm.files for arm in step.settings.arms[role.split("_")[0]])
            assert len(set(step.inputs[role])) == len(step.inputs[role])


MORE = {
    "models": [*tiny.raw()["models"], {"name": "mlp", "id": "wide", "settings": {"widths": [400, 200]}}, "logistic"],
    "defences": [*tiny.raw()["defences"], "rehearsal", {"name": "fft", "id": "long", "settings": {"epochs": 90}}],
    "attacks": [*tiny.raw()["attacks"], "meta"],
}


@pytest.mark.parametrize("share", [1e-9, 0.3, 0.7, 1e9])
@pytest.mark.parametrize("key", MORE)
def test_adding_one_leaves_the_others_steps_alone(key, share):
    limit = share * seconds(cut(1e9), "train")
    old, new = cut(limit), cut(limit, **{key: MORE[key]})
    # query jobs and what follows hold all defences
    for stage in STORE[: STORE.index("query")] if key == "defences" else STORE:
        assert set(old.steps[stage]) <= set(new.steps[stage]), stage


def test_cheap_models_share_a_job_over_several_draws():
    models = [{"name": "mlp", "settings": {"widths": [400, 200]}}, "logistic"]
    built = cut(seconds(cut(1e9), "train"), models=models)
    by_model = {
        name: [s for s in built.steps["train"].values() if s.settings.model == name] for name in ("mlp", "logistic")
    }
    draws = [step for step in built.steps["draw"].values() if step.settings.purpose == "base"]
    assert len(by_model["logistic"]) < len(draws) < len(by_model["mlp"])
    assert any(len(step.inputs["draw"]) > 1 for step in by_model["logistic"])


def test_costs_grow_with_the_work():
    base = Shape(1000, 100, 10, (60, 32, 16, 1))
    for more in ({"rows": 2000}, {"epochs": 20}, {"sides": (120, 64, 16, 1)}, {"batch": 10}, {"slower": factor(None)}):
        assert dataclasses.replace(base, **more).seconds() > base.seconds()
    assert base.seconds(5) == pytest.approx(base.seconds() / 2)


@pytest.mark.parametrize("limit", [0.5, 1.0, 2.5, 100.0])
def test_bundles(limit):
    costs = [1.0, 1.0, 3.0, 0.2, 0.2, 1.0]
    found = bundles(costs, limit)
    assert [position for bundle in found for position in bundle] == list(range(6))
    for bundle in found:
        assert len(bundle) == 1 or sum(costs[position] for position in bundle) <= limit
    for one, other in itertools.pairwise(found):
        assert sum(costs[position] for position in one) + costs[other[0]] > limit, "no job is cut too early"
