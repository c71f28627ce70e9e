"""A defence that is added has its own models trained and asked, and no others: ids of the plan."""

from __future__ import annotations

import pytest

import tiny
from popleak.config import resolve as config
from popleak.core import plugins

BEFORE = ["none", "finetune", "fft"]


def ids(defences, **changes) -> dict[str, set[str]]:
    plan = tiny.build(defences=defences, **changes)
    return {
        stage: {step.id for step in plan.all_steps() if step.stage == stage}
        for stage in ("draw", "train", "defend", "query")
    }


@pytest.mark.parametrize(
    "added", ["rehearsal", {"name": "fft", "id": "slow", "settings": {"learning_rate": 1e-4}}, "answer-noise"]
)
@pytest.mark.parametrize("at", [1, 3])
def test_an_added_defence_is_trained_and_asked_alone(added, at):
    before, after = ids(BEFORE), ids([*BEFORE[:at], added, *BEFORE[at:]])
    for stage, steps in before.items():
        assert steps <= after[stage], stage
    assert not after["train"] - before["train"]
    new = after["query"] - before["query"]
    name = added if isinstance(added, str) else added["name"]
    assert new and all(f"-{name}-" in one for one in new)


def test_a_renamed_defence_is_neither_trained_nor_asked_again():
    assert ids(["none", "fft"]) == ids(["none", {"name": "fft", "id": "other"}])


@pytest.mark.parametrize("name", ["threshold-optimizer", "answer-noise", "reductions"])
def test_how_answers_are_drawn_trains_nothing_again(name):
    fresh = ["none", name]
    both = [*fresh, {"name": name, "id": "frozen", "settings": {"answers": "frozen"}}]
    before, after = ids(fresh), ids(both)
    assert before["defend"] == after["defend"]
    assert len(after["query"] - before["query"]) == 1


@pytest.mark.parametrize("key", ["epochs", "learning_rate"])
def test_a_control_has_the_same_steps(key):
    """Also where one of the two leaves the setting out, and whatever comes first."""
    value = {"epochs": 8, "learning_rate": 0.01}[key]
    given = [
        "none", {"name": "scratch", "id": "other", "settings": {key: value}}, "scratch", "scratch-fair",
        {"name": "scratch-fair", "id": "fair-other", "settings": {key: value}},
    ]  # fmt: skip
    (task,) = config.resolve(config.load(tiny.raw(defences=given)))
    assert {one.id: one.control for one in task.defences if one.control} == {
        "scratch-fair": "scratch",
        "fair-other": "other",
    }
    (task,) = config.resolve(config.load(tiny.raw(defences=["none", "scratch", given[-1]])))
    assert {one.control for one in task.defences} == {None}


def test_a_smaller_mixture_is_paid_for_by_its_size_and_checkpoints_once():
    def epochs(name, settings, what="epochs"):
        plugin = plugins.load("defences", name)
        return getattr(plugin, what)(20, plugin.Settings(**settings))

    assert epochs("rehearsal", {"rows": 0.05}) == 1 and epochs("scratch", {"rows": 0.25, "epochs": 80}) == 20
    assert epochs("neg-grad", {"rows": 0.5, "epochs": 4}) == 4 * 1.25, "the mixture, and S_0 without what is rehearsed"
    assert epochs("early-stopping", {}, "paid") == 20 and epochs("early-stopping", {"shares": [0.5]}, "paid") == 10
    assert epochs("rewind", {"to": 1}) == 20 and epochs("rewind", {"to": 1}, "paid") == 40
